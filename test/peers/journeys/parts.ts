import type { DaemonQueues } from '../../support/daemon-queues.js';
import { embeddedQueues } from '../../support/embedded-queues.js';
import { embeddedSite } from '../../support/embedded-site.js';
import { sharedRabbitmq } from '../../support/rabbitmq.js';
import { rabbitmqQueues } from '../../support/rabbitmq-queues.js';
import { realSite } from '../../support/real-site.js';
import type { Site } from '../../support/site.js';

/** What a deployment is made of. */
export interface Parts {
  readonly name: string;
  /** Archives and stores; one site for all tests of the process. */
  site(): Promise<Site>;
  /** The queues of a new daemon. */
  queues(): Promise<DaemonQueues>;
}

export const REAL: Parts = {
  name: 'on RabbitMQ, dcmqrscp and Orthanc',
  site: async () => (await Promise.all([realSite(), sharedRabbitmq()]))[0],
  queues: async () => rabbitmqQueues(await sharedRabbitmq()),
};

/** `serve --embedded` on embedded nodes: neither broker nor database server, no DICOM but ours. */
export const EMBEDDED: Parts = {
  name: 'on embedded parts',
  site: embeddedSite,
  queues: embeddedQueues,
};

/** Whatever a journey may be made on: it comes to the same end, and the same tests show it. */
export const PARTS: readonly Parts[] = [REAL, EMBEDDED];

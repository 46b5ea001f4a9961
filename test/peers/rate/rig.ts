import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Rate, Status } from '../../../src/api/index.js';
import { planFor } from '../../../src/core/rate-limiter/index.js';
import { runCli } from '../../support/cli.js';
import type { Dcmqrscp } from '../../support/dcmqrscp.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { worstWindow } from '../../support/image-rate.js';
import { startLab, type Lab } from '../../support/lab.js';
import { closeAtEnd, openLongLived } from '../../support/long-lived.js';
import { freePort } from '../../support/ports.js';
import { rabbitmqQueues } from '../../support/rabbitmq-queues.js';
import { sharedRabbitmq, type Rabbitmq } from '../../support/rabbitmq.js';
import { tempDir } from '../../support/temp-dir.js';
import { deploy, type Deployment, type Nodes } from '../journeys/deployment.js';

/** The peers of a suite, without Nagle's algorithm, and what the archives hold. */
export interface Rig {
  readonly lab: Lab;
  readonly rabbitmq: Rabbitmq;
  /** In the VNA alone. */
  readonly big: MadeStudy;
  /** In the PACS alone. */
  readonly secondary: MadeStudy;
  /** In the VNA alone: studies of 20 images. */
  readonly small: readonly MadeStudy[];
  /** A daemon of the test's own, at a rate; it ends with the test, and must have finished everything by then. */
  start(rate: Rate, settings?: Readonly<Record<string, string>>): Promise<Running>;
}

/** A daemon whose rate is looked at and changed. */
export interface Running extends Deployment {
  /** By HTTP. @returns when it was answered, in ms since 1970 */
  setRate(rate: Rate, queue?: string): Promise<number>;
  rate(queue?: string): Promise<Rate>;
  status(): Promise<Status>;
  /** Of a queue, as `pixl-imaging status` says. */
  statusOf(queue: string): Promise<Status['queues'][number]>;
}

/** How many images the tests' big study has: enough to be in the middle of it all the time. */
const BIG = 600;

interface Shared {
  readonly lab: Lab;
  readonly rabbitmq: Rabbitmq;
  readonly big: MadeStudy;
  readonly secondary: MadeStudy;
  readonly small: readonly MadeStudy[];
}

let shared: Promise<Shared> | undefined;

/** For all suites of this mocha process: to make and load the studies takes its time. */
function sharedPeers(): Promise<Shared> {
  shared ??= openLongLived('the peers of the rate', async () => {
    const files = tempDir('rate-studies');
    const [lab, rabbitmq] = await Promise.all([startLab({ env: { TCP_NODELAY: '1' } }), sharedRabbitmq()]);
    closeAtEnd('the peers of the rate', async () => {
      shared = undefined;
      await lab.close();
      files.remove();
    });
    const big = await makeStudy(`${files.path}/1`, { study: 1, instances: BIG });
    const secondary = await makeStudy(`${files.path}/2`, { study: 2, instances: 100 });
    const small: MadeStudy[] = [];
    for (let study = 11; study < 16; study += 1)
      small.push(await makeStudy(`${files.path}/${study}`, { study, instances: 20 }));
    await Promise.all([
      lab.vna.load([big.folder, ...small.map(({ folder }) => folder)]),
      lab.pacs.load(secondary.folder),
    ]);
    return { lab, rabbitmq, big, secondary, small };
  });
  return shared;
}

/** Registers the hooks of a suite. */
export function useRig(): Rig {
  let opened: Shared;
  let running: Deployment[] = [];

  before(async function () {
    opened = await sharedPeers();
    await opened.lab.reset();
  });
  afterEach(async function () {
    const ending = running;
    running = [];
    try {
      for (const one of ending) await one.close();
    } finally {
      await opened.lab.reset();
    }
  });

  return {
    get lab() {
      return opened.lab;
    },
    get rabbitmq() {
      return opened.rabbitmq;
    },
    get big() {
      return opened.big;
    },
    get secondary() {
      return opened.secondary;
    },
    get small() {
      return opened.small;
    },
    start: async (rate, settings = {}) => {
      const { lab, rabbitmq } = opened;
      const port = await freePort();
      const nodes: Nodes = { primary: lab.vna, secondary: lab.pacs, raw: lab.raw, anon: lab.anon };
      const deployment = await deploy(nodes, rabbitmqQueues(rabbitmq), {
        PIXL_IMAGING_API_PORT: `${port}`,
        PIXL_IMAGING_API_RATE: `${rate}`,
        ORTHANC_AUTOROUTE_RAW_TO_ANON: 'false',
        ...settings,
      });
      running.push(deployment);
      return { ...deployment, ...controls(port) };
    },
  };
}

type Controls = Pick<Running, 'setRate' | 'rate' | 'status' | 'statusOf'>;

function controls(port: number): Controls {
  const url = `http://127.0.0.1:${port}`;
  const env = { PIXL_IMAGING_API_PORT: `${port}` };
  const rateUrl = (queue?: string): string =>
    `${url}/token-bucket-refresh-rate${queue === undefined ? '' : `?queue=${queue}`}`;
  const status = async (): Promise<Status> => (await (await fetch(`${url}/status`)).json()) as Status;
  return {
    setRate: async (rate, queue) => {
      const response = await fetch(rateUrl(), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ rate, ...(queue === undefined ? {} : { queue }) }),
      });
      const at = Date.now();
      expect(response.status, await response.text()).to.equal(200);
      return at;
    },
    rate: async (queue) => ((await (await fetch(rateUrl(queue))).json()) as { rate: Rate }).rate,
    status,
    statusOf: async (queue) => {
      const { code, stderr, json } = await runCli(['status', '--json', '--queues', queue], { env });
      expect(code, stderr).to.equal(0);
      const [one] = (json() as Status).queues;
      expect(one?.name).to.equal(queue);
      return one!;
    },
  };
}

/** When an archive sent its images, failed ones too, from a moment to another. */
export function sent(archive: Dcmqrscp, from = 0, to = Infinity): number[] {
  return archive
    .moved()
    .map(({ at }) => at)
    .filter((at) => at >= from && at <= to);
}

/** Every window of a second or more is within rate × window + capacity, which is one second's worth. */
export function expectWithin(times: readonly number[], rate: number): void {
  const { images, seconds, allowed } = worstWindow(times, rate, Math.max(1, rate));
  const window = `images in a window of ${seconds.toFixed(3)} s at ${rate} per second`;
  expect(images, window).to.be.at.most(allowed);
}

/** How many images the archive may still send when the rate is set to 0. */
export function mayBeUnderWay(rate: number): number {
  return planFor({ rate, capacity: null, unit: 'image' }).inFlight;
}

/** Lets time pass, in which something must not happen. */
export async function pass(ms: number): Promise<void> {
  await sleep(ms);
}

/** How many messages the broker has delivered a second time since it started, to anybody. */
export async function redelivered(rabbitmq: Rabbitmq): Promise<number> {
  const overview = await rabbitmq.ctl('eval', 'rabbit_global_counters:overview().');
  const counters = [...overview.matchAll(/messages_redelivered_total\s*=>\s*(\d+)/g)];
  expect(counters.length, overview).to.be.greaterThan(0);
  return counters.reduce((sum, [, count]) => sum + Number(count), 0);
}

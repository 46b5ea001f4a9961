import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { DaemonQueues, LyingMessage, PublishOptions, Tap } from '../../support/daemon-queues.js';
import { startDaemon, type Daemon, type LogLine } from '../../support/daemon.js';
import type { NodeAddress } from '../../support/dcmtk.js';
import type { MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/ports.js';

/** A message as PIXL's services write it, without its encoding. */
export interface Wish {
  readonly mrn: string;
  readonly accession_number: string;
  readonly study_uid: string;
  readonly series_uid?: string;
  readonly study_date: string;
  readonly procedure_occurrence_id: number;
  readonly project_name: string;
  readonly extract_generated_timestamp: string;
}

export const PROJECT = 'Journeys - UCLH OMOP CDM';

/** The message that asks for a study by its UID, unless told otherwise. */
export function wishFor(
  study: Pick<MadeStudy, 'mrn' | 'accession' | 'studyInstanceUid'>,
  other: Partial<Wish> = {},
): Wish {
  return {
    mrn: study.mrn,
    accession_number: study.accession,
    study_uid: study.studyInstanceUid,
    study_date: '2024-01-01',
    procedure_occurrence_id: 4711,
    project_name: PROJECT,
    extract_generated_timestamp: '2023-12-07T14:08:58+00:00',
    ...other,
  };
}

/** The four nodes that a daemon is configured with. */
export interface Nodes {
  readonly primary: NodeAddress;
  readonly secondary: NodeAddress | null;
  readonly raw: NodeAddress;
  readonly anon: NodeAddress;
}

/** A daemon on nodes and queues of its own. */
export interface Deployment {
  readonly daemon: Daemon;
  readonly queues: { readonly primary: string; readonly secondary: string; readonly failed: string };
  /** Puts messages on the primary queue; a wish goes as plain JSON. */
  publish(messages: readonly (Wish | Buffer)[], options?: PublishOptions): Promise<void>;
  /** The daemon's log lines of the next messages that come to an end (no retry, no forward), once there are so many. */
  ended(count: number): Promise<LogLine[]>;
  /** Publishes, and waits until every message has ended. @returns their outcomes, in alphabetical order */
  outcomesOf(messages: readonly (Wish | Buffer)[], options?: PublishOptions): Promise<string[]>;
  /** Waits for so many messages in the failed queue and takes them off it. */
  failed(count: number): Promise<LyingMessage[]>;
  depth(queue: string): Promise<number>;
  /** The depth of each of `queues`. */
  depths(): Promise<Readonly<Record<keyof Deployment['queues'], number>>>;
  /** Empties the queues, and counts no message that has ended until now. */
  forget(): Promise<void>;
  /** From now on messages of the queue come here first. */
  tap(queue: string): Promise<Tap>;
  /**
   * Ends the daemon and deletes the queues.
   * @throws when the daemon does not end with exit code 0, has left a message, or has shown who the patient is
   */
  close(): Promise<void>;
}

function environmentOf(nodes: Nodes, queues: Deployment['queues']): Record<string, string> {
  const { primary, secondary, raw, anon } = nodes;
  return {
    PRIMARY_DICOM_SOURCE_AE_TITLE: primary.aeTitle,
    PRIMARY_DICOM_SOURCE_IP_ADDR: primary.host,
    PRIMARY_DICOM_SOURCE_PORT: `${primary.port}`,
    ...(secondary !== null && {
      SECONDARY_DICOM_SOURCE_AE_TITLE: secondary.aeTitle,
      SECONDARY_DICOM_SOURCE_IP_ADDR: secondary.host,
      SECONDARY_DICOM_SOURCE_PORT: `${secondary.port}`,
    }),
    ORTHANC_RAW_AE_TITLE: raw.aeTitle,
    ORTHANC_RAW_DICOM_HOST: raw.host,
    ORTHANC_RAW_DICOM_PORT: `${raw.port}`,
    ORTHANC_ANON_AE_TITLE: anon.aeTitle,
    ORTHANC_ANON_DICOM_HOST: anon.host,
    ORTHANC_ANON_DICOM_PORT: `${anon.port}`,
    PIXL_PRIMARY_QUEUE: queues.primary,
    PIXL_SECONDARY_QUEUE: queues.secondary,
    PIXL_FAILED_QUEUE: queues.failed,
    PIXL_IMAGING_API_RATE: 'unlimited',
  };
}

/**
 * 5 s doubling, as SPEC section 2 has it; a test that goes through more of them waits too long anyway. The first three
 * are those of `test/support/preload/short-pauses.ts`.
 */
const RETRY_DELAYS = [500, 1_000, 2_000, 5_000, 10_000, 20_000];

/**
 * Starts a daemon with the given settings on top of what it needs.
 *
 * @param backing the daemon's alone; closed with it
 * @param modules see `startDaemon`
 */
export async function deploy(
  nodes: Nodes,
  backing: DaemonQueues,
  settings: Readonly<Record<string, string>> = {},
  modules: readonly string[] = [],
): Promise<Deployment> {
  const id = randomUUID().slice(0, 8);
  const queues = { primary: `${id}-primary`, secondary: `${id}-secondary`, failed: `${id}-failed` };
  const environment = {
    ...environmentOf(nodes, queues),
    ...backing.environment,
    PIXL_IMAGING_API_PORT: `${await freePort()}`,
    ...settings,
  };
  const daemon = await startDaemon(environment, backing.options, modules);
  let taken = 0;

  const publish: Deployment['publish'] = async (messages, options = {}) => {
    const bodies = messages.map((message) =>
      Buffer.isBuffer(message) ? message : Buffer.from(JSON.stringify(message)),
    );
    await backing.publish(queues.primary, bodies, options);
    await daemon.look();
  };

  const ended: Deployment['ended'] = async (count) => {
    const lines = await eventually(
      () => {
        const all = endings(daemon);
        expect(all.length - taken, 'messages that ended').to.be.at.least(count);
        return all.slice(taken, taken + count);
      },
      { timeoutMs: 300_000 },
    );
    taken += count;
    return lines;
  };

  const depth: Deployment['depth'] = async (queue) => (await backing.depths([queue]))[0]!;

  return {
    daemon,
    queues,
    publish,
    ended,
    outcomesOf: async (messages, options) => {
      await publish(messages, options);
      return (await ended(messages.length)).map((line) => String(line['outcome'])).sort();
    },
    failed: async (count) => {
      await eventually(async () => expect(await depth(queues.failed), 'failed messages').to.equal(count));
      return backing.drain(queues.failed);
    },
    depth,
    depths: async () => {
      const [primary, secondary, failed] = await backing.depths(Object.values(queues));
      return { primary: primary!, secondary: secondary!, failed: failed! };
    },
    forget: async () => {
      const all = [...Object.values(queues), ...retryQueues(queues)];
      const depths = await backing.depths(all);
      for (const [index, queue] of all.entries()) if (depths[index] !== 0) await backing.drain(queue);
      taken = endings(daemon).length;
    },
    tap: (queue) => backing.tap(queue),
    close: async () => {
      try {
        expect(await daemon.stop(), 'how the daemon ended').to.deep.include({ code: 0 });
        const left = [queues.primary, queues.secondary, ...retryQueues(queues)];
        const depths = await backing.depths(left);
        for (const [index, queue] of left.entries())
          expect(depths[index], `messages left in ${queue}`).to.equal(0);
      } finally {
        await daemon.close().finally(() => backing.close([...Object.values(queues), ...retryQueues(queues)]));
      }
    },
  };
}

function endings(daemon: Daemon): LogLine[] {
  return daemon
    .lines()
    .filter(({ msg, outcome }) => msg === 'message' && outcome !== 'retry' && outcome !== 'forward');
}

/** The delay queues of a deployment; not all of them need be there. */
export function retryQueues(queues: Deployment['queues']): string[] {
  return [queues.primary, queues.secondary].flatMap((queue) =>
    RETRY_DELAYS.map((ms) => `${queue}.retry.${ms}`),
  );
}

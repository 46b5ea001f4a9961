import { connect, type Channel, type ConsumeMessage, type GetMessage } from 'amqplib';
import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { startDaemon, type Daemon, type LogLine } from '../../support/daemon.js';
import type { NodeAddress } from '../../support/dcmtk.js';
import type { MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/ports.js';
import type { Rabbitmq } from '../../support/rabbitmq.js';

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

export interface PublishOptions {
  readonly priority?: number;
  readonly messageId?: string;
}

/** A message on its way, looked at before the daemon gets it. */
export interface Tapped {
  readonly message: ConsumeMessage;
  /** Gives it back to the queue; the daemon gets it then. */
  readonly release: () => Promise<void>;
}

/** A daemon on nodes and queues of its own. */
export interface Deployment {
  readonly daemon: Daemon;
  readonly queues: { readonly primary: string; readonly secondary: string; readonly failed: string };
  /** Puts messages on the primary queue; a wish goes as plain JSON. */
  publish(messages: readonly (Wish | Buffer)[], options?: PublishOptions): Promise<void>;
  /** The daemon's log lines of the next messages that come to an end (no retry, no forward), once there are so many. */
  ended(count: number, timeoutMs?: number): Promise<LogLine[]>;
  /** Publishes, and waits until every message has ended. @returns their outcomes, in alphabetical order */
  outcomesOf(messages: readonly (Wish | Buffer)[], options?: PublishOptions): Promise<string[]>;
  /** Waits for so many messages in the failed queue and takes them off it. */
  failed(count: number): Promise<GetMessage[]>;
  depth(queue: string): Promise<number>;
  /** Empties the queues, and counts no message that has ended until now. */
  forget(): Promise<void>;
  /** From now on messages of the queue come here first. */
  tap(queue: string): Promise<{ next(): Promise<Tapped>; close(): Promise<void> }>;
  /**
   * Ends the daemon and deletes the queues.
   * @throws when the daemon does not end with exit code 0, has left a message, or has logged who the patient is
   */
  close(): Promise<void>;
}

function environmentOf(
  nodes: Nodes,
  rabbitmq: Rabbitmq,
  queues: Deployment['queues'],
): Record<string, string> {
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
    RABBITMQ_HOST: rabbitmq.host,
    RABBITMQ_PORT: `${rabbitmq.port}`,
    RABBITMQ_USERNAME: rabbitmq.username,
    RABBITMQ_PASSWORD: rabbitmq.password,
    PIXL_PRIMARY_QUEUE: queues.primary,
    PIXL_SECONDARY_QUEUE: queues.secondary,
    PIXL_FAILED_QUEUE: queues.failed,
    PIXL_IMAGING_API_RATE: 'unlimited',
  };
}

const WORK_QUEUE = { durable: true, arguments: { 'x-max-priority': 5 } };
/** 5 s doubling, as SPEC section 2 has it; a test that goes through more of them waits too long anyway. */
const RETRY_DELAYS = [5_000, 10_000, 20_000];

/** Starts a daemon with the given settings on top of what it needs. */
export async function deploy(
  nodes: Nodes,
  rabbitmq: Rabbitmq,
  settings: Readonly<Record<string, string>> = {},
): Promise<Deployment> {
  const id = randomUUID().slice(0, 8);
  const queues = { primary: `${id}-primary`, secondary: `${id}-secondary`, failed: `${id}-failed` };
  const daemon = await startDaemon({
    ...environmentOf(nodes, rabbitmq, queues),
    PIXL_IMAGING_API_PORT: `${await freePort()}`,
    ...settings,
  });
  const onChannel = channels(rabbitmq);
  const secrets = new Set<string>();
  let taken = 0;

  const publish: Deployment['publish'] = async (messages, options = {}) => {
    const model = await connect(
      `amqp://${rabbitmq.username}:${rabbitmq.password}@${rabbitmq.host}:${rabbitmq.port}`,
    );
    try {
      const channel = await model.createConfirmChannel();
      await channel.assertQueue(queues.primary, WORK_QUEUE);
      for (const message of messages) {
        if (!Buffer.isBuffer(message)) for (const secret of secretsOf(message)) secrets.add(secret);
        const body = Buffer.isBuffer(message) ? message : Buffer.from(JSON.stringify(message));
        channel.sendToQueue(queues.primary, body, { persistent: true, ...options });
      }
      await channel.waitForConfirms();
    } finally {
      await model.close();
    }
  };

  const ended: Deployment['ended'] = async (count, timeoutMs = 60_000) => {
    const lines = await eventually(
      () => {
        const all = endings(daemon);
        expect(all.length - taken, 'messages that ended').to.be.at.least(count);
        return all.slice(taken, taken + count);
      },
      { timeoutMs },
    );
    taken += count;
    return lines;
  };

  const depth: Deployment['depth'] = (queue) =>
    onChannel(async (channel) => (await channel.checkQueue(queue)).messageCount);

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
      return onChannel(async (channel) => {
        const messages: GetMessage[] = [];
        for (;;) {
          const message = await channel.get(queues.failed, { noAck: true });
          if (message === false) return messages;
          messages.push(message);
        }
      });
    },
    depth,
    forget: async () => {
      for (const queue of Object.values(queues)) await onChannel((channel) => channel.purgeQueue(queue));
      taken = endings(daemon).length;
    },
    tap: (queue) => tap(rabbitmq, queue),
    close: async () => {
      try {
        expect(await daemon.stop(), 'how the daemon ended').to.deep.include({ code: 0 });
        const left = [queues.primary, queues.secondary, ...retryQueues(queues)];
        for (const queue of left)
          expect(await onChannel(messagesIn(queue)), `messages left in ${queue}`).to.equal(0);
        const log = daemon.log();
        for (const secret of secrets)
          expect(log.includes(secret), 'an identifier in the log').to.equal(false);
      } finally {
        await daemon.close();
        await onChannel(async (channel) => {
          for (const queue of [...Object.values(queues), ...retryQueues(queues)])
            await channel.deleteQueue(queue);
        });
      }
    },
  };
}

function endings(daemon: Daemon): LogLine[] {
  return daemon
    .lines()
    .filter(({ msg, outcome }) => msg === 'message' && outcome !== 'retry' && outcome !== 'forward');
}

/** What may stand in no log (SPEC section 11). */
function secretsOf(wish: Wish): string[] {
  return [wish.mrn, wish.accession_number, wish.study_uid].filter((text) => text !== '');
}

function retryQueues(queues: Deployment['queues']): string[] {
  return [queues.primary, queues.secondary].flatMap((queue) =>
    RETRY_DELAYS.map((ms) => `${queue}.retry.${ms}`),
  );
}

/** How many are ready; a queue that is not there has none. */
function messagesIn(queue: string): (channel: Channel) => Promise<number> {
  return async (channel) => {
    try {
      return (await channel.checkQueue(queue)).messageCount;
    } catch {
      return 0;
    }
  };
}

type OnChannel = <T>(work: (channel: Channel) => Promise<T>) => Promise<T>;

function channels({ username, password, host, port }: Rabbitmq): OnChannel {
  return async (work) => {
    const model = await connect(`amqp://${username}:${password}@${host}:${port}`);
    model.on('error', () => undefined);
    try {
      const channel = await model.createChannel();
      channel.on('error', () => undefined);
      return await work(channel);
    } finally {
      await model.close();
    }
  };
}

/** A consumer of a higher priority than the daemon's: RabbitMQ serves it first as long as it takes anything. */
async function tap(rabbitmq: Rabbitmq, queue: string): ReturnType<Deployment['tap']> {
  const { username, password, host, port } = rabbitmq;
  const model = await connect(`amqp://${username}:${password}@${host}:${port}`);
  const channel = await model.createChannel();
  await channel.prefetch(1);
  const arrived: ConsumeMessage[] = [];
  const { consumerTag } = await channel.consume(
    queue,
    (message) => {
      if (message === null) return;
      arrived.push(message);
      channel.emit('tapped');
    },
    { priority: 10 },
  );
  return {
    next: async () => {
      if (arrived.length === 0) await once(channel, 'tapped');
      const message = arrived.shift()!;
      return {
        message,
        release: async () => {
          await channel.cancel(consumerTag);
          channel.nack(message, false, true);
        },
      };
    },
    close: () => model.close(),
  };
}

import { connect, type ChannelModel, type Options } from 'amqplib';
import { randomUUID } from 'node:crypto';
import { Closers } from '../../../src/core/closers.js';
import {
  openDatabase,
  startEmbeddedServer,
  type Database,
  type EmbeddedServer,
} from '../../../src/core/db/index.js';
import { silentLogger, type Logger } from '../../../src/core/log.js';
import {
  connectBroker,
  consume,
  openTableBroker,
  Publisher,
  type BrokerConnection,
  type BrokerOptions,
  type ConsumeOptions,
  type QueueConsumer,
  type RetryPolicy,
} from '../../../src/queue/index.js';
import type { LyingMessage } from '../../support/daemon-queues.js';
import { lying } from '../../support/rabbitmq-queues.js';
import { makeEmbeddedFolder } from '../../support/embedded.js';
import { allowLongLived, closeAtEnd, openLongLived } from '../../support/long-lived.js';
import { sharedRabbitmq, type Rabbitmq } from '../../support/rabbitmq.js';
import { drainTable, tableDepth } from '../../support/table-queues.js';
import { tempDir } from '../../support/temp-dir.js';

/** Short enough for tests; otherwise as in earnest. */
export const quickRetries: RetryPolicy = { maxAttempts: 3, firstDelayMs: 50, maxDelayMs: 100 };

/** What a test of any broker needs. */
export interface AnyBrokerFixture {
  /** A name of the test's own; the queue and its delay queues are deleted after the test. */
  queue(): string;
  connection(options?: Partial<BrokerOptions>): Promise<BrokerConnection>;
  publisher(): Promise<Publisher>;
  /** A consumer with a connection of its own unless one is given; prefetch 5, quick retries, short graces. */
  consumer(
    options: Pick<ConsumeOptions, 'queue' | 'handler'> & Partial<ConsumeOptions>,
  ): Promise<QueueConsumer>;
  /** Everything that is ready in a queue, taken off it without our code. */
  drain(queue: string): Promise<LyingMessage[]>;
  depth(queue: string): Promise<number>;
  delete(queue: string): Promise<void>;
  /** Closes at the end of the test, last in first out. */
  atEnd(close: () => Promise<void> | void): void;
}

export interface BrokerFixture extends AnyBrokerFixture {
  readonly rabbitmq: Rabbitmq;
  declare(queue: string, options: Options.AssertQueue): Promise<void>;
}

export interface TablesFixture extends AnyBrokerFixture {
  /** The database in which the queues are. */
  database(): Database;
}

/** Registers the hooks of a suite that needs RabbitMQ. */
export function useBroker(): BrokerFixture {
  let rabbitmq: Rabbitmq | undefined;
  let closers = new Closers();
  const queues = new Set<string>();

  const bare = async <T>(work: (model: ChannelModel) => Promise<T>): Promise<T> => {
    const { host, port } = fixture.rabbitmq;
    const model = await connect(`amqp://guest:guest@${host}:${port}`, { noDelay: true });
    model.on('error', () => undefined);
    try {
      return await work(model);
    } finally {
      await model.close();
    }
  };
  const onChannel = <T>(
    work: (channel: Awaited<ReturnType<ChannelModel['createChannel']>>) => Promise<T>,
  ): Promise<T> =>
    bare(async (model) => {
      const channel = await model.createChannel();
      channel.on('error', () => undefined);
      return work(channel);
    });

  before('start RabbitMQ', async function () {
    rabbitmq = await sharedRabbitmq();
  });

  afterEach('close what the test opened', async function () {
    await closers.closeAll();
    closers = new Closers();
    await onChannel(async (channel) => {
      for (const queue of queues) await channel.deleteQueue(queue);
    });
    queues.clear();
  });

  const fixture: BrokerFixture = {
    get rabbitmq() {
      if (rabbitmq === undefined) throw new Error('the broker is not started yet');
      return rabbitmq;
    },
    queue: () => {
      const name = `test-${randomUUID()}`;
      for (const queue of [name, ...[50, 100].map((ms) => `${name}.retry.${ms}`)]) queues.add(queue);
      return name;
    },
    connection: async (options = {}) => {
      const { host, port, username, password } = fixture.rabbitmq;
      const connection = await connectBroker({
        ...{ host, port, username, password, heartbeat: 2, log: silentLogger },
        ...{ reconnect: { firstMs: 20, maxMs: 200 } },
        ...options,
      });
      closers.add('connection', () => connection.close());
      return connection;
    },
    publisher: async () => publisherOf(fixture),
    consumer: (options) => consumerOf(fixture, options),
    drain: (queue) =>
      onChannel(async (channel) => {
        const messages: LyingMessage[] = [];
        for (;;) {
          const message = await channel.get(queue, { noAck: true });
          if (message === false) return messages;
          messages.push(lying(message));
        }
      }),
    depth: (queue) => onChannel(async (channel) => (await channel.checkQueue(queue)).messageCount),
    declare: (queue, options) =>
      onChannel(async (channel) => {
        await channel.assertQueue(queue, options);
      }),
    delete: (queue) =>
      onChannel(async (channel) => {
        await channel.deleteQueue(queue);
      }),
    atEnd: (close) => {
      closers.add('of the test', close);
    },
  };
  return fixture;
}

async function publisherOf(fixture: AnyBrokerFixture): Promise<Publisher> {
  const publisher = new Publisher({ connection: await fixture.connection() });
  fixture.atEnd(() => publisher.close());
  return publisher;
}

async function consumerOf(
  fixture: AnyBrokerFixture,
  options: Parameters<AnyBrokerFixture['consumer']>[0],
): Promise<QueueConsumer> {
  const consumer = await consume({
    connection: options.connection ?? (await fixture.connection()),
    prefetch: 5,
    retryPolicy: quickRetries,
    failedQueue: options.failedQueue ?? fixture.queue(),
    log: silentLogger,
    shutdownGraceMs: 2_000,
    abortGraceMs: 100,
    ...options,
  });
  fixture.atEnd(() => consumer.close());
  return consumer;
}

let shared: Promise<EmbeddedServer> | undefined;

/** The one embedded database of this test process that holds queues. */
function sharedTables(): Promise<EmbeddedServer> {
  shared ??= openLongLived('embedded database', async () => {
    const dir = tempDir('embedded-queues');
    await makeEmbeddedFolder(dir.path);
    const server = await startEmbeddedServer({ folder: dir.path, log: silentLogger });
    allowLongLived('embedded database', { sockets: 1 });
    closeAtEnd('embedded database', async () => {
      await server.close();
      dir.remove();
    });
    return server;
  });
  return shared;
}

/** Registers the hooks of a suite that needs the queue in the embedded database. */
export function useTables(): TablesFixture {
  let server: EmbeddedServer | undefined;
  let database: Database | undefined;
  let closers = new Closers();

  const opened = (): Database => {
    if (server === undefined) throw new Error('the embedded database is not started yet');
    return openDatabase(server.settings, { log: silentLogger });
  };

  before('open the embedded database', async function () {
    server = await sharedTables();
  });

  beforeEach('connect to the embedded database', () => {
    database = opened();
  });

  afterEach('close what the test opened', async function () {
    await closers.closeAll();
    closers = new Closers();
    await fixture.database().query('DELETE FROM pixl_queue.queue');
    await fixture.database().close();
  });

  const fixture: TablesFixture = {
    database: () => {
      if (database === undefined) throw new Error('no test runs');
      return database;
    },
    queue: () => `test-${randomUUID()}`,
    connection: async () => {
      const own = opened();
      closers.add('database', () => own.close());
      const connection = await openTableBroker({ database: own, name: 'embedded', log: silentLogger });
      closers.add('connection', () => connection.close());
      return connection;
    },
    publisher: () => publisherOf(fixture),
    consumer: (options) => consumerOf(fixture, options),
    drain: (queue) => drainTable(fixture.database(), queue),
    depth: (queue) => tableDepth(fixture.database(), queue),
    delete: async (queue) => {
      await fixture.database().query('DELETE FROM pixl_queue.queue WHERE name = $1', [queue]);
    },
    atEnd: (close) => {
      closers.add('of the test', close);
    },
  };
  return fixture;
}

/** Every broker that there is: what one guarantees all do, and the same tests show it. */
export const BROKERS: readonly (readonly [string, () => AnyBrokerFixture])[] = [
  ['RabbitMQ', useBroker],
  ['the embedded database', useTables],
];

/** A promise and its end, for handlers that a test holds open. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Keeps what is logged, a line of text each. */
export function recordingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (fields: object, message: string): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { lines, debug: keep, info: keep, warn: keep, error: keep };
}

export const texts = (messages: readonly { readonly content: Buffer }[]): string[] =>
  messages.map((message) => message.content.toString());

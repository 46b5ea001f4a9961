import { connect, type ChannelModel, type GetMessage, type Options } from 'amqplib';
import { randomUUID } from 'node:crypto';
import { Closers } from '../../../src/core/closers.js';
import { silentLogger, type Logger } from '../../../src/core/log.js';
import {
  connectBroker,
  consume,
  Publisher,
  type BrokerConnection,
  type BrokerOptions,
  type ConsumeOptions,
  type QueueConsumer,
  type RetryPolicy,
} from '../../../src/queue/index.js';
import { sharedRabbitmq, type Rabbitmq } from '../../support/rabbitmq.js';

/** Short enough for tests; otherwise as in earnest. */
export const quickRetries: RetryPolicy = { maxAttempts: 3, firstDelayMs: 50, maxDelayMs: 100 };

export interface BrokerFixture {
  readonly rabbitmq: Rabbitmq;
  /** A name of the test's own; the queue and its delay queues are deleted after the test. */
  queue(): string;
  connection(options?: Partial<BrokerOptions>): Promise<BrokerConnection>;
  publisher(): Promise<Publisher>;
  /** A consumer with a connection of its own unless one is given; prefetch 5, quick retries, short graces. */
  consumer(
    options: Pick<ConsumeOptions, 'queue' | 'handler'> & Partial<ConsumeOptions>,
  ): Promise<QueueConsumer>;
  /** Everything that is ready in a queue, read with bare amqplib. */
  drain(queue: string): Promise<GetMessage[]>;
  depth(queue: string): Promise<number>;
  declare(queue: string, options: Options.AssertQueue): Promise<void>;
  delete(queue: string): Promise<void>;
  /** Closes at the end of the test, last in first out. */
  atEnd(close: () => Promise<void> | void): void;
}

/** Registers the hooks of a suite that needs the broker. */
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
    this.timeout(120_000);
    rabbitmq = await sharedRabbitmq();
  });

  afterEach('close what the test opened', async function () {
    this.timeout(30_000);
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
    publisher: async () => {
      const publisher = new Publisher({ connection: await fixture.connection() });
      closers.add('publisher', () => publisher.close());
      return publisher;
    },
    consumer: async (options) => {
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
      closers.add('consumer', () => consumer.close());
      return consumer;
    },
    drain: (queue) =>
      onChannel(async (channel) => {
        const messages: GetMessage[] = [];
        for (;;) {
          const message = await channel.get(queue, { noAck: true });
          if (message === false) return messages;
          messages.push(message);
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

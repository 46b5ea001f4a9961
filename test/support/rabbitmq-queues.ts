import { connect, type Channel, type ChannelModel, type ConsumeMessage, type GetMessage } from 'amqplib';
import { once } from 'node:events';
import { withoutCanaries, type DaemonQueues, type LyingMessage, type Tap } from './daemon-queues.js';
import type { Rabbitmq } from './rabbitmq.js';

const WORK_QUEUE = { durable: true, arguments: { 'x-max-priority': 5 } };
const NOT_FOUND = 404;

/** Queues of a RabbitMQ, without our code. */
export function rabbitmqQueues(rabbitmq: Rabbitmq): DaemonQueues {
  const { username, password, host, port } = rabbitmq;
  const url = urlOf(rabbitmq);
  const onChannel = channels(url);
  return {
    environment: {
      RABBITMQ_HOST: host,
      RABBITMQ_PORT: `${port}`,
      RABBITMQ_USERNAME: username,
      RABBITMQ_PASSWORD: password,
    },
    options: [],
    publish: async (queue, bodies, options) => {
      const model = await connect(url);
      try {
        const channel = await model.createConfirmChannel();
        await channel.assertQueue(queue, WORK_QUEUE);
        for (const body of bodies) channel.sendToQueue(queue, body, { persistent: true, ...options });
        await channel.waitForConfirms();
      } finally {
        await model.close();
      }
    },
    depths: async (queues) => {
      const depths: number[] = [];
      for (const queue of queues) depths.push(await onChannel(messagesIn(queue)));
      return depths;
    },
    drain: (queue) =>
      onChannel(async (channel) => {
        const messages: LyingMessage[] = [];
        for (;;) {
          const message = await channel.get(queue, { noAck: true });
          if (message === false) return messages;
          messages.push(lying(message));
        }
      }),
    tap: (queue) => tap(url, queue),
    close: (queues) =>
      onChannel(async (channel) => {
        for (const queue of queues) await channel.deleteQueue(queue);
      }),
  };
}

/** What is ready in some queues, looked at and left in its place. A queue that is not there has nothing. */
export async function lyingIn(rabbitmq: Rabbitmq, queues: readonly string[]): Promise<LyingMessage[]> {
  const model = await connect(urlOf(rabbitmq));
  try {
    const messages: LyingMessage[] = [];
    for (const queue of queues) messages.push(...(await lookInto(model, queue)));
    return messages;
  } finally {
    await model.close(); // what was taken and not acked goes back
  }
}

async function lookInto(model: ChannelModel, queue: string): Promise<LyingMessage[]> {
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  const messages: LyingMessage[] = [];
  try {
    for (;;) {
      const message = await channel.get(queue);
      if (message === false) return messages;
      messages.push(lying(message));
    }
  } catch (error) {
    if (isNotFound(error)) return messages;
    throw error;
  }
}

/** A channel of its own: the answer for a queue that is not there closes it. */
function messagesIn(queue: string): (channel: Channel) => Promise<number> {
  return async (channel) => {
    try {
      return (await channel.checkQueue(queue)).messageCount;
    } catch (error) {
      if (isNotFound(error)) return 0;
      throw error;
    }
  };
}

function isNotFound(error: unknown): boolean {
  return (error as { code?: unknown }).code === NOT_FOUND;
}

function urlOf({ username, password, host, port }: Rabbitmq): string {
  return `amqp://${username}:${password}@${host}:${port}`;
}

/** @throws when a header, or another property, shows an identifier or a secret */
export function lying({ content, properties }: ConsumeMessage | GetMessage): LyingMessage {
  return withoutCanaries({
    content,
    properties: { ...properties },
    persistent: properties.deliveryMode === 2,
  });
}

type OnChannel = <T>(work: (channel: Channel) => Promise<T>) => Promise<T>;

function channels(url: string): OnChannel {
  return async (work) => {
    const model = await connect(url);
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
async function tap(url: string, queue: string): Promise<Tap> {
  const model = await connect(url);
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
        message: lying(message),
        release: async () => {
          await channel.cancel(consumerTag);
          channel.nack(message, false, true);
        },
      };
    },
    close: () => model.close(),
  };
}

import type { Channel, Options } from 'amqplib';
import { describeError } from '../../core/errors.js';
import type { Logger } from '../../core/log.js';
import { delayQueueName, MAX_PRIORITY, RPC_TIMEOUT_MS, type QueueDepth } from '../broker.js';
import { BrokerRefusedError, BrokerUnavailableError, QueueMismatchError } from '../errors.js';
import { within } from '../within.js';
import type { RabbitmqConnection } from './connection.js';
import { toBrokerError } from './errors.js';

/**
 * A work queue's properties, and no other argument: PIXL's services declare the same queues, and AMQP refuses a
 * second declaration that differs in any of them.
 */
const WORK_QUEUE: Options.AssertQueue = { durable: true, arguments: { 'x-max-priority': MAX_PRIORITY } };

/**
 * Runs `work` on a channel of its own: a refused operation costs the channel on which it was asked.
 *
 * @throws BrokerUnavailableError, BrokerRefusedError.
 */
export async function onChannel<T>(
  connection: RabbitmqConnection,
  operation: string,
  work: (channel: Channel) => Promise<T>,
  timeoutMs = RPC_TIMEOUT_MS,
): Promise<T> {
  const late = (): Error =>
    new BrokerUnavailableError({ broker: connection.broker, operation }, `no answer for ${timeoutMs} ms`);
  const model = await connection.ready(operation, timeoutMs);
  let channel: Channel | undefined;
  try {
    channel = await within(model.createChannel(), timeoutMs, late);
    watchChannel(channel, connection.log);
    return await within(work(channel), timeoutMs, late);
  } catch (error) {
    throw toBrokerError(connection.broker, operation, error);
  } finally {
    await closeChannel(channel);
  }
}

/**
 * Listens to what would end the process or the connection if nobody did. An 'error' needs no more than that: the call
 * that failed is rejected too, and 'close' follows. A 'handler-error' is a defect of ours, thrown in a callback.
 */
export function watchChannel(channel: Channel, log: Logger): void {
  channel.on('error', () => undefined);
  channel.on('handler-error', (error: Error, event: string) => {
    log.error({ operation: event, reason: describeError(error) }, 'a channel callback failed');
  });
}

/** Closes a channel that may be dead already, or whose broker does not answer. */
export async function closeChannel(channel: Channel | undefined): Promise<void> {
  if (channel === undefined) return;
  // amqplib leaves the promise of close() open for ever when the connection ends before the answer.
  const closed = new Promise<void>((resolve) => channel.once('close', resolve));
  try {
    const late = (): Error => new Error('no answer to channel.close');
    await within(Promise.race([channel.close(), closed]), RPC_TIMEOUT_MS, late);
  } catch {
    // Dead already, and with it what it held.
  }
}

async function declare(
  connection: RabbitmqConnection,
  queue: string,
  properties: Options.AssertQueue,
): Promise<void> {
  try {
    await onChannel(connection, `queue.declare ${queue}`, (channel) =>
      channel.assertQueue(queue, properties),
    );
  } catch (error) {
    if (!(error instanceof BrokerRefusedError) || error.replyCode !== 406) throw error;
    const expected = `durable, ${JSON.stringify(properties.arguments)} and no other argument`;
    throw new QueueMismatchError({ broker: connection.broker, queue, expected, brokerSays: error.message });
  }
}

/**
 * Makes a work queue (durable, `x-max-priority: 5`) unless it is there.
 *
 * @throws QueueMismatchError when it is there with other properties.
 */
export async function declareQueue(connection: RabbitmqConnection, queue: string): Promise<void> {
  await declare(connection, queue, WORK_QUEUE);
}

/**
 * Makes the queue in which messages wait before they go back to `queue`, unless it is there.
 *
 * No `x-max-priority` here: messages expire at a queue's head only, and in a priority queue a low-priority message
 * would be behind every higher one that comes later. The priority property itself stays on the message while it is
 * dead-lettered, so it counts again in `queue`.
 *
 * Jitter is a per-message expiration in [0.8·d, d], d being this queue's TTL. A message may so stand behind one that
 * expires later, but never for long: all those before it came earlier and leave within d of their coming, so it
 * leaves within d of its own coming, at most 0.2·d after its time.
 *
 * @returns its name.
 * @throws QueueMismatchError when it is there with other properties.
 */
export async function declareDelayQueue(
  connection: RabbitmqConnection,
  queue: string,
  delayMs: number,
): Promise<string> {
  const name = delayQueueName(queue, delayMs);
  await declare(connection, name, {
    durable: true,
    arguments: { 'x-message-ttl': delayMs, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue },
  });
  return name;
}

/**
 * How many messages are ready in the queue, and how many consumers it has.
 *
 * @throws BrokerRefusedError with reply code 404 when there is no such queue.
 */
export async function queueDepth(connection: RabbitmqConnection, queue: string): Promise<QueueDepth> {
  const ok = await onChannel(connection, `queue.declare-passive ${queue}`, (channel) =>
    channel.checkQueue(queue),
  );
  return { depth: ok.messageCount, consumers: ok.consumerCount };
}

/**
 * Throws away what is ready in the queue.
 *
 * @returns how many messages that were.
 * @throws BrokerRefusedError with reply code 404 when there is no such queue.
 */
export async function purgeQueue(connection: RabbitmqConnection, queue: string): Promise<number> {
  const ok = await onChannel(connection, `queue.purge ${queue}`, (channel) => channel.purgeQueue(queue));
  return ok.messageCount;
}

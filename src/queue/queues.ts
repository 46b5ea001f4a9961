import type { BrokerConnection, QueueDepth } from './broker.js';

/**
 * Makes a work queue (durable, priorities 0 to 5) unless it is there.
 *
 * @throws QueueMismatchError when it is there with other properties.
 */
export async function declareQueue(connection: BrokerConnection, queue: string): Promise<void> {
  await connection.declareQueue(queue);
}

/**
 * Makes the queue in which messages wait before they go back to `queue`, unless it is there: for `delayMs`, or for
 * their own expiration where that is shorter.
 *
 * @returns its name.
 * @throws QueueMismatchError when it is there with other properties.
 */
export function declareDelayQueue(
  connection: BrokerConnection,
  queue: string,
  delayMs: number,
): Promise<string> {
  return connection.declareDelayQueue(queue, delayMs);
}

/**
 * How many messages are ready in the queue, and how many consumers it has.
 *
 * @throws BrokerRefusedError with reply code 404 when there is no such queue.
 */
export function queueDepth(connection: BrokerConnection, queue: string): Promise<QueueDepth> {
  return connection.queueDepth(queue);
}

/**
 * Throws away what is ready in the queue.
 *
 * @returns how many messages that were.
 * @throws BrokerRefusedError with reply code 404 when there is no such queue.
 */
export function purgeQueue(connection: BrokerConnection, queue: string): Promise<number> {
  return connection.purgeQueue(queue);
}

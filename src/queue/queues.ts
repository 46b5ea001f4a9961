import { delayQueueName, type BrokerConnection, type QueueDepth } from './broker.js';
import { BrokerRefusedError } from './errors.js';

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
 * Is a work queue there, and as we would declare it? Makes none.
 *
 * @returns null when there is no such queue
 * @throws QueueMismatchError when it is there with other properties.
 */
export async function examineQueue(connection: BrokerConnection, queue: string): Promise<QueueDepth | null> {
  return depthIfThere(connection, queue, () => declareQueue(connection, queue));
}

/** The same for a delay queue of `queue`. */
export async function examineDelayQueue(
  connection: BrokerConnection,
  queue: string,
  delayMs: number,
): Promise<QueueDepth | null> {
  const declareIt = (): Promise<unknown> => declareDelayQueue(connection, queue, delayMs);
  return depthIfThere(connection, delayQueueName(queue, delayMs), declareIt);
}

/** A passive declaration compares no properties; an active one does, and would make a queue that is not there. */
async function depthIfThere(
  connection: BrokerConnection,
  queue: string,
  compare: () => Promise<unknown>,
): Promise<QueueDepth | null> {
  let depth: QueueDepth;
  try {
    depth = await queueDepth(connection, queue);
  } catch (error) {
    if (error instanceof BrokerRefusedError && error.replyCode === 404) return null;
    throw error;
  }
  await compare();
  return depth;
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

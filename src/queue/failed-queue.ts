import { InternalError } from '../core/errors.js';
import type { BrokerConnection, ChannelDelivery, HeldMessages, QueueMessage } from './broker.js';
import { UnroutableError } from './errors.js';
import { attemptsBefore, Header, headerText, keptProperties } from './message-properties.js';
import { Publisher } from './publisher.js';

/** A message of the failed queue, as far as choosing it needs. */
export interface FailedMessage {
  readonly body: Buffer;
  /** The queue from which it was parked; null when that is not known. */
  readonly queue: string | null;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly reason: string | null;
  readonly attempts: number;
  /** ISO 8601. */
  readonly failedAt: string | null;
}

export interface RetryFailedOptions {
  readonly connection: BrokerConnection;
  readonly failedQueue: string;
  /** Which messages to move. Default: all. */
  readonly match?: (message: FailedMessage) => boolean;
  /** Move at most so many. Default: no limit. */
  readonly limit?: number;
  /** Gives up what is not yet moved. */
  readonly signal?: AbortSignal;
}

export interface RetryFailedResult {
  readonly moved: number;
  /** Left in the failed queue of those that were there at the start; with a limit they were not all looked at. */
  readonly left: number;
  /** How many were moved to which queue. */
  readonly byQueue: Readonly<Record<string, number>>;
}

export interface LookThroughFailedOptions {
  readonly connection: BrokerConnection;
  readonly failedQueue: string;
  /** Gives up what is not yet looked at. */
  readonly signal?: AbortSignal;
  /** Called for each message, in their order. `throw away` is for good. */
  readonly visit: (message: FailedMessage) => 'keep' | 'throw away';
}

/**
 * Looks at the messages that are in the failed queue at the start; they stay, each in its place, but for those that are thrown
 * away.
 *
 * @returns how many were thrown away, and how many are left of those that were there
 * @throws BrokerError; what was thrown away by then is gone
 */
export async function lookThroughFailed({
  connection,
  failedQueue,
  signal,
  visit,
}: LookThroughFailedOptions): Promise<{ readonly thrownAway: number; readonly left: number }> {
  return connection.hold(failedQueue, async (held) => {
    let thrownAway = 0;
    for (let seen = 0; seen < held.count && signal?.aborted !== true; seen += 1) {
      const delivery = await held.next();
      if (delivery === undefined) break;
      if (visit(describe(delivery.message)) === 'keep') continue;
      await delivery.ack();
      thrownAway += 1;
    }
    return { thrownAway, left: held.count - thrownAway };
  });
}

/** Whether `retryFailed` would move it, to a queue that is there. */
export function hasOrigin({ queue }: FailedMessage, failedQueue: string): boolean {
  return queue !== null && queue !== failedQueue;
}

/** Moves that wait for their confirm at the same time. */
const MAX_UNDER_WAY = 100;

/**
 * Moves messages from the failed queue back to the queues that they came from: the same bytes and priority, tries
 * counted anew. Each is confirmed there before it is acked here.
 *
 * It looks at as many messages as were there at the start, so it never meets its own output. The others stay where
 * they are; a message whose origin is not known, is no queue any more, or is the failed queue itself is one of them.
 *
 * @throws BrokerError; what was moved by then stays moved, the rest is back in the failed queue.
 */
export async function retryFailed(options: RetryFailedOptions): Promise<RetryFailedResult> {
  const { connection, failedQueue } = options;
  const publisher = new Publisher({ connection });
  try {
    return await connection.hold(failedQueue, (held) => move(held, publisher, options));
  } finally {
    await publisher.close();
  }
}

async function move(
  held: HeldMessages,
  publisher: Publisher,
  options: RetryFailedOptions,
): Promise<RetryFailedResult> {
  const { failedQueue, match = () => true, limit = Infinity, signal } = options;
  const byQueue = new Map<string, number>();
  const underWay = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let [seen, moved] = [0, 0];
  const moveTo = async (queue: string, delivery: ChannelDelivery): Promise<void> => {
    const { message } = delivery;
    try {
      await publisher.publish(queue, message.content, keptProperties(message));
      await delivery.ack();
      moved += 1;
      byQueue.set(queue, (byQueue.get(queue) ?? 0) + 1);
    } catch (error) {
      if (!(error instanceof UnroutableError)) failure ??= { error };
    }
  };
  const isOver = (): boolean =>
    seen >= held.count || moved >= limit || failure !== undefined || signal?.aborted === true;
  try {
    while (!isOver()) {
      const delivery = await held.next();
      if (delivery === undefined) break;
      const { message } = delivery;
      seen += 1;
      const described = describe(message);
      const { queue: origin } = described;
      if (origin === null || !hasOrigin(described, failedQueue) || !match(described)) continue;
      const moving: Promise<void> = moveTo(origin, delivery).finally(() => underWay.delete(moving));
      underWay.add(moving);
      // With the limit in sight each move's end is awaited: one that fails makes room for another.
      while (underWay.size > 0 && underWay.size >= Math.min(MAX_UNDER_WAY, limit - moved))
        await Promise.race(underWay);
    }
  } finally {
    // Also when `match` throws: what is under way is acked before the rest goes back, or it would be there twice.
    await Promise.all(underWay);
  }
  if (failure !== undefined) throw asError(failure.error);
  return { moved, left: held.count - moved, byQueue: Object.fromEntries(byQueue) };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new InternalError('something that is no error was thrown');
}

function describe(message: QueueMessage): FailedMessage {
  return {
    body: message.content,
    queue: headerText(message, Header.queue) ?? null,
    outcome: headerText(message, Header.outcome) ?? null,
    code: headerText(message, Header.code) ?? null,
    reason: headerText(message, Header.reason) ?? null,
    attempts: attemptsBefore(message),
    failedAt: headerText(message, Header.failedAt) ?? null,
  };
}

import type { Channel, Message } from 'amqplib';
import { InternalError } from '../core/errors.js';
import type { BrokerConnection } from './connection.js';
import { UnroutableError } from './errors.js';
import { attemptsBefore, Header, headerText, keptProperties } from './message-properties.js';
import { Publisher } from './publisher.js';
import { onChannel } from './topology.js';

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

/** Moves that wait for their confirm at the same time. */
const MAX_UNDER_WAY = 100;
/** No limit of its own for the whole run: each step has one. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

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
    return await onChannel(
      connection,
      `retry of ${failedQueue}`,
      (channel) => move(channel, publisher, options),
      NO_TIMEOUT_MS,
    );
  } finally {
    await publisher.close();
  }
}

async function move(
  channel: Channel,
  publisher: Publisher,
  options: RetryFailedOptions,
): Promise<RetryFailedResult> {
  const { failedQueue, match = () => true, limit = Infinity, signal } = options;
  const byQueue = new Map<string, number>();
  const underWay = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let [seen, moved] = [0, 0];
  const moveTo = async (queue: string, message: Message): Promise<void> => {
    try {
      await publisher.publish(queue, message.content, keptProperties(message));
      channel.ack(message);
      moved += 1;
      byQueue.set(queue, (byQueue.get(queue) ?? 0) + 1);
    } catch (error) {
      if (!(error instanceof UnroutableError)) failure ??= { error };
    }
  };
  const { messageCount } = await channel.checkQueue(failedQueue);
  const isOver = (): boolean =>
    seen >= messageCount || moved >= limit || failure !== undefined || signal?.aborted === true;
  try {
    while (!isOver()) {
      // What we get and do not ack is held by the broker, so that the next get brings the next message.
      const message = await channel.get(failedQueue);
      if (message === false) break;
      seen += 1;
      const origin = headerText(message, Header.queue);
      if (origin === undefined || origin === failedQueue || !match(describe(message))) continue;
      const moving: Promise<void> = moveTo(origin, message).finally(() => underWay.delete(moving));
      underWay.add(moving);
      // With the limit in sight each move's end is awaited: one that fails makes room for another.
      while (underWay.size > 0 && underWay.size >= Math.min(MAX_UNDER_WAY, limit - moved))
        await Promise.race(underWay);
    }
  } finally {
    // Also when `match` throws: what is under way is acked before the channel is closed, or it would be there twice.
    await Promise.all(underWay);
  }
  // All that is unacked, in one frame; the broker puts each back in its old place.
  channel.nackAll(true);
  if (failure !== undefined) throw asError(failure.error);
  return { moved, left: messageCount - moved, byQueue: Object.fromEntries(byQueue) };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new InternalError('something that is no error was thrown');
}

function describe(message: Message): FailedMessage {
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

import type { Disposition } from '../core/delivery.js';
import { assertNever, codeOf, describeError, PixlError, retryOf } from '../core/errors.js';
import type { BrokerConnection, QueueMessage } from './broker.js';
import { UnroutableError } from './errors.js';
import { attemptsBefore, Header, keptProperties, withHeaders } from './message-properties.js';
import type { Publisher } from './publisher.js';
import { isLastAttempt, jitteredMs, retryDelayMs, type RetryPolicy } from './retry-policy.js';
import { declareDelayQueue, declareQueue } from './queues.js';

export interface SettleContext {
  readonly connection: BrokerConnection;
  readonly publisher: Publisher;
  /** The queue that the message came from. */
  readonly queue: string;
  readonly failedQueue: string;
  readonly retryPolicy: RetryPolicy;
  /** Why messages that may be tried again are parked instead; null = they are tried again. */
  readonly onRetriesParked?: (reason: string | null) => void;
}

/** Header values share one frame with the properties, so a reason must not grow without bound. */
const MAX_REASON_LENGTH = 1_000;

/** What a thrown error makes of a delivery. */
export function dispositionOfError(error: unknown): Disposition {
  const facts = { outcome: 'failed', code: codeOf(error), reason: describeError(error) };
  return { kind: retryOf(error) === 'later' ? 'retry' : 'park', ...facts };
}

/**
 * Makes a disposition safe with the broker: publishes what it asks for and waits for the confirm. The ack comes after
 * this and is the caller's. A crash in between means that the message is there twice, never that it is nowhere.
 *
 * @param receivedAt when the first try began, ISO 8601.
 * @throws BrokerError when it is not safe; then the message must not be acked.
 */
export async function makeSafe(
  context: SettleContext,
  message: QueueMessage,
  disposition: Disposition,
  receivedAt: string,
): Promise<void> {
  switch (disposition.kind) {
    case 'done':
      return;
    case 'forward':
      await forwardOrPark(context, message, disposition.to, receivedAt);
      return;
    case 'retry':
      if (isLastAttempt(context.retryPolicy, attemptsBefore(message) + 1))
        await park(context, message, disposition, receivedAt);
      else await retryOrPark(context, message, disposition, receivedAt);
      return;
    case 'defer':
      await publishLater(context, message, attemptsBefore(message), receivedAt);
      return;
    case 'park':
      await park(context, message, disposition, receivedAt);
      return;
    default:
      assertNever(disposition);
  }
}

/** A forward to a queue that can never take it would hold the message unacked for ever; parked it can be seen. */
async function forwardOrPark(
  context: SettleContext,
  message: QueueMessage,
  to: string,
  receivedAt: string,
): Promise<void> {
  try {
    await publishDeclared(context, message, to, receivedAt);
  } catch (error) {
    if (!(error instanceof PixlError) || error.retry === 'later') throw error;
    const facts = { outcome: 'failed', code: codeOf(error), reason: describeError(error) };
    await park(context, message, facts, receivedAt);
  }
}

/** The same for a delay queue that can't be had. */
async function retryOrPark(
  context: SettleContext,
  message: QueueMessage,
  disposition: Disposition & { readonly kind: 'retry' },
  receivedAt: string,
): Promise<void> {
  try {
    await publishLater(context, message, attemptsBefore(message) + 1, receivedAt);
    context.onRetriesParked?.(null);
  } catch (error) {
    if (!(error instanceof PixlError) || error.retry === 'later') throw error;
    const trouble = describeError(error);
    const reason = `not tried again (${trouble}) after: ${disposition.reason}`;
    await park(context, message, { outcome: disposition.outcome, code: codeOf(error), reason }, receivedAt);
    context.onRetriesParked?.(trouble);
  }
}

/** Tries are counted per queue: the next queue's archive has not been asked yet. */
async function publishDeclared(
  context: SettleContext,
  message: QueueMessage,
  to: string,
  receivedAt: string,
): Promise<void> {
  const properties = withHeaders(keptProperties(message), { [Header.receivedAt]: receivedAt });
  await publishOrDeclare(
    () => context.publisher.publish(to, message.content, properties),
    () => declareQueue(context.connection, to),
  );
}

/** @param attempts tries that count so far: the more, the longer the delay */
async function publishLater(
  context: SettleContext,
  message: QueueMessage,
  attempts: number,
  receivedAt: string,
): Promise<void> {
  const { connection, publisher, queue, retryPolicy } = context;
  const delayMs = retryDelayMs(retryPolicy, Math.max(1, attempts));
  const properties = withHeaders(keptProperties(message), {
    [Header.attempts]: attempts,
    [Header.receivedAt]: receivedAt,
  });
  // Declared each time and not once: retries are rare, somebody may have deleted the queue since, and one that was
  // declared otherwise (without the way back) must be found before a message is in it.
  const delayQueue = await declareDelayQueue(connection, queue, delayMs);
  await publisher.publish(delayQueue, message.content, properties, jitteredMs(delayMs));
}

async function park(
  context: SettleContext,
  message: QueueMessage,
  why: { readonly outcome: string; readonly code: string; readonly reason: string },
  receivedAt: string,
): Promise<void> {
  const properties = withHeaders(keptProperties(message), {
    [Header.outcome]: why.outcome,
    [Header.code]: why.code,
    [Header.reason]: why.reason.slice(0, MAX_REASON_LENGTH),
    [Header.queue]: context.queue,
    [Header.attempts]: attemptsBefore(message) + 1,
    [Header.receivedAt]: receivedAt,
    [Header.failedAt]: new Date().toISOString(),
  });
  await publishOrDeclare(
    () => context.publisher.publish(context.failedQueue, message.content, properties),
    () => declareQueue(context.connection, context.failedQueue),
  );
}

async function publishOrDeclare(publish: () => Promise<void>, declare: () => Promise<void>): Promise<void> {
  try {
    await publish();
  } catch (error) {
    if (!(error instanceof UnroutableError)) throw error;
    await declare();
    await publish();
  }
}

import { pause, throwIfCancelled } from '../cancel.js';
import { describeError } from '../errors.js';
import type { Logger } from '../log.js';
import type { OutcomeRecorder } from '../outcome.js';
import { DatabaseError, DatabaseUnavailableError } from './errors.js';

/** Pauses while the database is away; they double from `firstMs` to `maxMs`, and each is cut by up to a half at random. */
export interface HoldPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const defaultHoldPolicy: HoldPolicy = { firstMs: 250, maxMs: 10_000 };

/**
 * Does `work` again and again until the database lets it pass. There is no limit to it: the caller's signal is one.
 *
 * @throws CancelledError when `signal` is aborted, and what `work` throws for another reason than the database's state
 */
export async function untilDatabase<T>(
  operation: string,
  work: () => Promise<T>,
  options: { readonly policy?: HoldPolicy; readonly log: Logger; readonly signal: AbortSignal },
): Promise<T> {
  const { policy = defaultHoldPolicy, log, signal } = options;
  for (let failures = 0; ; failures += 1) {
    throwIfCancelled(signal, operation);
    try {
      const result = await work();
      if (failures > 0) log.info({ operation, attempt: failures + 1 }, 'the database is back');
      return result;
    } catch (error) {
      if (!isAboutTheDatabase(error)) throw error;
      const ms = holdMs(policy, failures + 1);
      log.warn(
        { operation, attempt: failures + 1, reason: describeError(error), ms },
        'waiting for the database',
      );
      await pause(ms, signal, operation);
    }
  }
}

/**
 * Holds a message while the database is away: `record` resolves when the outcome is written down, and not before. The
 * message stays unacked meanwhile and takes one of the prefetch's places, so the consumer takes no more than those off
 * the queue; its attempts are not counted up. When the broker takes the delivery back after its consumer_timeout, the
 * consumer adopts the redelivery. On shutdown `signal` ends the wait, and the unacked message goes back to its queue.
 *
 * Not only an absent database is waited for: a missing table or a wrong password is mended by an operator, while a
 * message that is settled without its row would be lost to the books. Only what the row itself is at fault for is thrown.
 */
export function recordWithRetry(recorder: OutcomeRecorder, policy: HoldPolicy, log: Logger): OutcomeRecorder {
  return {
    record: (entry, signal) =>
      untilDatabase('record', () => recorder.record(entry, signal), { policy, log, signal }),
  };
}

/** @param failure counted from 1 */
export function holdMs({ firstMs, maxMs }: HoldPolicy, failure: number, random = Math.random()): number {
  const ms = Math.min(maxMs, firstMs * 2 ** Math.min(failure - 1, 30));
  return Math.ceil(ms * (1 - random / 2));
}

function isAboutTheDatabase(error: unknown): boolean {
  return (
    error instanceof DatabaseUnavailableError || (error instanceof DatabaseError && !error.isAboutTheData)
  );
}

/** When a message is tried again, and how often. */
export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly maxAttempts: number;
  /** The pause after the first try, in milliseconds; it doubles from try to try. */
  readonly firstDelayMs: number;
  /** No pause is longer, in milliseconds. */
  readonly maxDelayMs: number;
}

/** 5 s, 10 s, … at most 5 min: a peer that restarts is back after the first, one that is serviced within the last. */
export const defaultRetryPolicy: RetryPolicy = { maxAttempts: 6, firstDelayMs: 5_000, maxDelayMs: 300_000 };

/** Up to this share of a pause is taken off at random, so that what failed together does not come back together. */
const JITTER = 0.2;

/**
 * The longest pause after a try, in whole milliseconds; also the delay queue's message TTL.
 *
 * @param attempt the try that failed, from 1.
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number): number {
  // Beyond 2^30 there is only the maximum; a hostile attempt count must not become Infinity.
  const doublings = Math.min(Math.max(attempt, 1) - 1, 30);
  return Math.round(Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** doublings));
}

/** A pause between 0.8 times `delayMs` and `delayMs`, in whole milliseconds. `random` is in [0, 1). */
export function jitteredMs(delayMs: number, random: number = Math.random()): number {
  return Math.round(delayMs * (1 - JITTER * random));
}

/** Whether the try is the last that the policy allows. */
export function isLastAttempt(policy: RetryPolicy, attempt: number): boolean {
  return attempt >= policy.maxAttempts;
}

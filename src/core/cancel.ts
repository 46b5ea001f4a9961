import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError } from './errors.js';

/** @throws CancelledError when the caller has given the work up */
export function throwIfCancelled(signal: AbortSignal, operation: string): void {
  if (signal.aborted) throw new CancelledError(operation);
}

/** Resolves after `ms`. @throws CancelledError as soon as the caller gives the work up */
export async function pause(ms: number, signal: AbortSignal, operation: string): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (cause) {
    throwIfCancelled(signal, operation);
    throw cause;
  }
}

/**
 * Does `work` with a signal that is aborted as soon as one of the two is. At its end nothing is left at them: a signal of
 * `AbortSignal.any` stays at those that it is made of for as long as they live, which for a daemon's is for ever (Node 20).
 */
export async function withEither<T>(
  one: AbortSignal,
  other: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const either = new AbortController();
  const abort = (): void => either.abort();
  if (one.aborted || other.aborted) abort();
  for (const signal of [one, other]) signal.addEventListener('abort', abort, { once: true });
  try {
    return await work(either.signal);
  } finally {
    for (const signal of [one, other]) signal.removeEventListener('abort', abort);
  }
}

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

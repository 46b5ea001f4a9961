import type { Closers } from '../src/core/closers.js';

/**
 * Does work that SIGINT and SIGTERM cancel: the signal given to it is aborted, and it is up to the work to end in
 * order. A second signal ends the process as if nothing were handled.
 */
export async function cancelledBySignals<T>(
  work: (signal: AbortSignal) => Promise<T>,
  closers: Closers,
): Promise<T> {
  const controller = new AbortController();
  const onSignal = (): void => controller.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  closers.add('signal handlers', () => {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  });
  return work(controller.signal);
}

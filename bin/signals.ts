import type { Closers } from '../src/core/closers.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Aborted by the first SIGINT or SIGTERM: what is under way ends in order. A second one, of whichever kind, ends the process at
 * once, as if nothing were handled.
 */
export function stopSignal(closers: Closers): AbortSignal {
  const controller = new AbortController();
  const ignore = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  // Nothing listens after the first, for either: the second does what a signal does by itself.
  const onSignal = (): void => {
    ignore();
    controller.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  closers.add('signal handlers', ignore);
  return controller.signal;
}

/** Does work that SIGINT and SIGTERM cancel: it is up to the work to end in order when its signal is aborted. */
export async function cancelledBySignals<T>(
  work: (signal: AbortSignal) => Promise<T>,
  closers: Closers,
): Promise<T> {
  return work(stopSignal(closers));
}

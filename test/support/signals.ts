import { getEventListeners } from 'node:events';

/**
 * How much others have left at a signal: listeners, and signals of `AbortSignal.any`, which Node 20 keeps at the signals that
 * they are made of for as long as those live.
 */
export function leftAt(signal: AbortSignal): number {
  const dependants = Object.getOwnPropertySymbols(signal)
    .filter((symbol) => symbol.description === 'kDependantSignals')
    .map(
      (symbol) =>
        (signal as unknown as Readonly<Record<symbol, Set<unknown> | undefined>>)[symbol]?.size ?? 0,
    );
  return dependants.reduce((sum, size) => sum + size, getEventListeners(signal, 'abort').length);
}

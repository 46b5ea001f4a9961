import type { HeldRate, Rate } from './rate-limiter/index.js';

/** A rate that was set, for the next start. */
export interface SavedRate {
  readonly rate: Rate;
  /** Microseconds since 1970. */
  readonly setAt: number;
}

/** What is kept of the rates over a restart. A queue's is the newer of its own and the one for all. */
export interface SavedRates {
  /** The last one that was set for all queues; null = none. */
  readonly all: SavedRate | null;
  /** By the queues' names at the broker. */
  readonly queues: Readonly<Record<string, SavedRate>>;
}

/** A rate to be kept. */
export interface RateToSave extends SavedRate {
  /** null = for all queues. */
  readonly queue: string | null;
}

/** The newest one of a queue stays; one for all takes the place of those that are older. */
export function withRate({ all, queues }: SavedRates, { queue, rate, setAt }: RateToSave): SavedRates {
  if (queue !== null) {
    if (setAt <= (queues[queue]?.setAt ?? 0)) return { all, queues };
    return { all, queues: { ...queues, [queue]: { rate, setAt } } };
  }
  if (setAt <= (all?.setAt ?? 0)) return { all, queues };
  const newer = Object.entries(queues).filter(([, own]) => own.setAt > setAt);
  return { all: { rate, setAt }, queues: Object.fromEntries(newer) };
}

/** What a queue's limiter is to hold of it; null = nothing was set. */
export function savedFor({ all, queues }: SavedRates, queue: string): HeldRate | null {
  const own = queues[queue];
  if (own !== undefined && own.setAt > (all?.setAt ?? 0)) return { ...own, by: 'queue' };
  return all === null ? null : { ...all, by: 'all' };
}

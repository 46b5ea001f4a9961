import { checkRate, type Rate } from './plan.js';

/** The rate that a limiter holds, and since when. */
export interface HeldRate {
  readonly rate: Rate;
  /**
   * When it was set, in microseconds since 1970, by Redis' clock where there is one. Of a configured rate: when its
   * limiter began to share it.
   */
  readonly setAt: number;
  /** Who gave it: the configuration, or somebody who set it for all queues or for this one. */
  readonly by: 'configuration' | 'all' | 'queue';
}

/** Who keeps a limiter's rate outside of it and of Redis. */
export interface RateKeeper {
  /** What is kept, for when Redis has lost it; null = nothing. May reject. */
  recall(): Promise<HeldRate | null>;
  /** The limiter may hold another rate than before. */
  changed(): void;
}

/** The newest holds; but a configured rate is a default, and never newer than one that was set. */
export function isNewer(one: HeldRate, other: HeldRate): boolean {
  if (isSet(one) !== isSet(other)) return isSet(one);
  return one.setAt > other.setAt;
}

/** Somebody has set it while a daemon ran. */
export function isSet({ by }: HeldRate): boolean {
  return by !== 'configuration';
}

/** Reads what a daemon wrote into Redis. What another version or another program wrote is passed over. */
export function parseHeldRate(text: unknown): HeldRate | null {
  if (typeof text !== 'string') return null;
  try {
    const { rate, setAt, by } = JSON.parse(text) as Partial<HeldRate>;
    if (rate === undefined || typeof setAt !== 'number' || !Number.isSafeInteger(setAt)) return null;
    if (by !== 'configuration' && by !== 'all' && by !== 'queue') return null;
    return { rate: checkRate(rate), setAt, by };
  } catch {
    return null;
  }
}

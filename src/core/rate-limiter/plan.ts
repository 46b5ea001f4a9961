import { InvalidValueError } from '../errors.js';

/** Images (or studies) per second; 0 pauses. */
export type Rate = number | 'unlimited';

/** What the rate counts. With `study` a message costs one token and images cost nothing. */
export type RateUnit = 'image' | 'study';

export interface RateSettings {
  readonly rate: Rate;
  /** Burst above the rate; null = one second's worth, at least 1. */
  readonly capacity: number | null;
  readonly unit: RateUnit;
}

/** A rate and a capacity, turned into what the bucket and the callers work with. */
export interface RatePlan {
  /** null = unlimited. */
  readonly perSecond: number | null;
  /** What may come out of the archive at once, over the rate. */
  readonly capacity: number;
  /** The part of it that is saved up while nothing is asked for. */
  readonly reservoir: number;
  /** The other part: what was admitted and has not arrived yet, at most. */
  readonly inFlight: number;
  /** The most that is admitted at once. */
  readonly largestBatch: number;
  /** From the end of one batch to the beginning of the next, at least, in ms. */
  readonly spacingMs: number;
}

/**
 * How the promise is kept: over any window of a second or more no more than rate × window + capacity images come
 * out of the archive, however long it takes over a batch.
 *
 * An image arrives some time between its batch's admission and the batch's end. So what arrives in a window was
 * either in flight when the window began, or admitted in it. What is admitted in a window is bounded by the bucket:
 * `reservoir` + rate × window. What is in flight is bounded by `inFlight`. The sum is the promise when
 * `reservoir` + `inFlight` = capacity, and no assumption about the archive's delay is needed.
 *
 * Half and half, because both cost speed when they are small. The reservoir must take up what the rate yields
 * while nothing can be admitted, and `inFlight` what the archive is given to do in the time L that it takes over
 * a batch (Little: rate × L). With one second's worth of capacity the full rate is reached up to L = 0.5 s.
 *
 * Batches are a quarter of the capacity: two associations keep two of them in flight, and the next can be admitted
 * while they are. For dcmqrscp, which takes 44 ms over the request and response of a C-MOVE (Nagle's algorithm
 * against delayed acknowledgements) and about 2 ms per image:
 *
 *     rate   capacity   in flight   largest batch   C-MOVEs per second   busy on one association
 *      0.5       1          1             1               0.5                    2 %
 *      5         5          2             2               2.5                   12 %
 *     50        50         25            13               3.8                   27 %
 *    200       200        100            50               4                     58 %
 *
 * Batches of one at 200/s would need 9 s of C-MOVEs each second; one batch a second would be a burst of the whole
 * capacity and stop the next until it has arrived.
 *
 * A capacity below 2 cannot be halved: one image is in flight, one is saved up. There the distance between two images
 * is kept instead: the next is admitted 1 / rate after the last one's end (`spacingMs`), less the shortest time
 * that the archive took lately, so that a steady archive costs no speed.
 */
export function planFor(settings: RateSettings): RatePlan {
  const { rate, unit } = settings;
  if (rate === 'unlimited') return UNLIMITED;
  const capacity = rate === 0 ? 0 : (settings.capacity ?? Math.max(1, rate));
  // A study's images are not counted, so there is nothing to hold back for what is in flight.
  if (unit === 'study')
    return {
      perSecond: rate,
      capacity,
      reservoir: capacity,
      inFlight: Infinity,
      largestBatch: Infinity,
      spacingMs: 0,
    };
  if (rate === 0)
    return { perSecond: 0, capacity, reservoir: 0, inFlight: 1, largestBatch: 1, spacingMs: Infinity };
  const inFlight = Math.max(1, Math.floor(capacity / 2));
  const reservoir = Math.max(1, capacity - inFlight);
  const largestBatch = Math.max(1, Math.min(inFlight, Math.floor(reservoir), Math.ceil(capacity / 4)));
  return {
    perSecond: rate,
    capacity,
    reservoir,
    inFlight,
    largestBatch,
    spacingMs: capacity < 2 ? 1000 / rate : 0,
  };
}

const UNLIMITED: RatePlan = {
  perSecond: null,
  capacity: Infinity,
  reservoir: Infinity,
  inFlight: Infinity,
  largestBatch: Infinity,
  spacingMs: 0,
};

/** One image a day, about 1.2e-5: a rate below it is a stop that does not say so. */
export const MIN_RATE = 1 / 86_400;

/** Faster than any archive; above it Bottleneck's 32-bit numbers on Redis would not hold. */
export const MAX_RATE = 1_000_000;

/** Is it 0, or between the slowest and the fastest? */
export function isRate(rate: number): boolean {
  return rate === 0 || (rate >= MIN_RATE && rate <= MAX_RATE);
}

/** What `isRate` takes, for people. */
export const RATE_EXPECTED = `0, or a number from one a day (1.2e-5) to ${MAX_RATE}, or unlimited`;

/** @throws InvalidValueError when it is none */
export function checkRate(rate: Rate): Rate {
  if (rate === 'unlimited') return rate;
  if (typeof rate !== 'number' || !isRate(rate)) throw new InvalidValueError('rate', `not ${RATE_EXPECTED}`);
  return rate;
}

/** @throws InvalidValueError */
export function checkSettings(settings: RateSettings): RateSettings {
  const { capacity } = settings;
  checkRate(settings.rate);
  if (capacity !== null && !(capacity >= 1 && capacity <= MAX_RATE))
    throw new InvalidValueError('capacity', `not a number from 1 to ${MAX_RATE}`);
  return settings;
}

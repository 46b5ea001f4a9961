import { systemClock, type Clock } from '../../src/core/breaker.js';
import { CancelledError } from '../../src/core/errors.js';
import type { RateLimiter } from '../../src/core/rate-limiter/index.js';
import { worstWindow } from './image-rate.js';

/** Arrivals at raw, in ms of the monotonic clock. */
export interface Arrival {
  readonly at: number;
  readonly images: number;
}

/**
 * An archive that sends the images of a batch in one burst, some time after it was asked: the hardest case for a limit that is
 * measured where they arrive.
 */
export class VirtualArchive {
  readonly arrivals: Arrival[] = [];
  readonly batches: number[] = [];
  readonly #delayMs: () => number;
  readonly #clock: Clock;

  constructor(delayMs: () => number, clock = systemClock) {
    this.#delayMs = delayMs;
    this.#clock = clock;
  }

  get images(): number {
    return imagesOf(this.arrivals);
  }

  /** Batches that were admitted and have not come yet. */
  get underWay(): number {
    return this.batches.length - this.arrivals.length;
  }

  /** Retrieves a study in batches, as a message's journey does: one batch after the other. */
  async retrieve(limiter: RateLimiter, images: number, signal: AbortSignal): Promise<void> {
    for (let left = images; left > 0;) {
      left -= await limiter.admitImages(left, signal, async (admission) => {
        this.batches.push(admission.images);
        await new Promise<void>((resolve) => this.#clock.after(this.#delayMs(), resolve));
        this.arrivals.push({ at: this.#clock.now(), images: admission.images });
        return admission.images;
      });
    }
  }

  /** Retrieves studies of these sizes, each lane one after the other, until it is stopped. */
  async keepBusy(limiter: RateLimiter, lanes: readonly number[], signal: AbortSignal): Promise<void> {
    const lane = async (images: number): Promise<void> => {
      try {
        for (;;) await this.retrieve(limiter, images, signal);
      } catch (error) {
        if (!(error instanceof CancelledError)) throw error;
      }
    };
    await Promise.all(lanes.map(lane));
  }
}

export function imagesOf(arrivals: readonly Arrival[]): number {
  return arrivals.reduce((sum, { images }) => sum + images, 0);
}

/**
 * Every window of a second or more: at most rate × window + capacity images.
 * @returns the worst window's images less what it may have; not above 0 when the promise was kept
 */
export function worstExcess(arrivals: readonly Arrival[], rate: number, capacity: number): number {
  const times = arrivals.flatMap(({ at, images }) => Array.from({ length: images }, () => at));
  const { images, allowed } = worstWindow(times, rate, capacity);
  return images - allowed;
}

/** The same for the same seed. */
export function delaysBetween(least: number, most: number, seed = 1): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return least + ((most - least) * state) / 2 ** 31;
  };
}

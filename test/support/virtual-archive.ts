import { setTimeout as sleep } from 'node:timers/promises';
import type { RateLimiter } from '../../src/core/rate-limiter/index.js';

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

  constructor(delayMs: () => number) {
    this.#delayMs = delayMs;
  }

  get images(): number {
    return this.arrivals.reduce((sum, { images }) => sum + images, 0);
  }

  /** Retrieves a study in batches, as a message's journey does: one batch after the other. */
  async retrieve(limiter: RateLimiter, images: number, signal: AbortSignal): Promise<void> {
    for (let left = images; left > 0;) {
      left -= await limiter.admitImages(left, signal, async (admission) => {
        this.batches.push(admission.images);
        await sleep(this.#delayMs());
        this.arrivals.push({ at: performance.now(), images: admission.images });
        return admission.images;
      });
    }
  }
}

/**
 * Every window of a second or more: at most rate × window + capacity images.
 * @returns the worst window's images less what it may have; not above 0 when the promise was kept
 */
export function worstExcess(arrivals: readonly Arrival[], rate: number, capacity: number): number {
  const sorted = [...arrivals].sort((a, b) => a.at - b.at);
  let worst = -Infinity;
  for (let from = 0; from < sorted.length; from += 1) {
    let images = 0;
    for (let to = from; to < sorted.length; to += 1) {
      images += sorted[to]!.images;
      const seconds = Math.max(1, (sorted[to]!.at - sorted[from]!.at) / 1000);
      worst = Math.max(worst, images - rate * seconds - capacity);
    }
  }
  return worst;
}

/** Images per second between two moments. */
export function meanRate(arrivals: readonly Arrival[], from: number, to: number): number {
  const within = arrivals.filter(({ at }) => at >= from && at < to);
  return (within.reduce((sum, { images }) => sum + images, 0) * 1000) / (to - from);
}

/** The same for the same seed. */
export function delaysBetween(least: number, most: number, seed = 1): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return least + ((most - least) * state) / 2 ** 31;
  };
}

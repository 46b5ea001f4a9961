import { InternalError, InvalidValueError } from './errors.js';
import { checkRate } from './rate-limiter/plan.js';
import type { Rate, RateLimiter } from './rate-limiter/index.js';

/** What is kept of the rates over a restart. */
export interface SavedRates {
  /** Holds for every queue that is not set apart. */
  readonly default: Rate;
  /** Rates of queues that were set apart, by their names at the broker. */
  readonly queues: Readonly<Record<string, Rate>>;
}

/** Where the rates are kept; the database, mostly. */
export interface RateStore {
  /** @returns null when none were ever set */
  load(): Promise<SavedRates | null>;
  /** @throws PixlError with retry `later` when they can't be kept now */
  save(rates: SavedRates): Promise<void>;
}

/** The rate of each queue's archive, changed while the daemon runs. */
export class Rates {
  readonly #limiters: ReadonlyMap<string, RateLimiter>;
  readonly #store: RateStore | null;
  readonly #apart = new Map<string, Rate>();
  #default: Rate;

  /**
   * @param configured holds until a rate is set
   * @param limiters by the name of the queue whose archive they limit
   * @param store null: a rate that is set is forgotten at the end of the process
   */
  constructor(configured: Rate, limiters: ReadonlyMap<string, RateLimiter>, store: RateStore | null) {
    this.#default = configured;
    this.#limiters = limiters;
    this.#store = store;
  }

  get queues(): readonly string[] {
    return [...this.#limiters.keys()];
  }

  /** Puts the rates in force that were in force when the daemon ran last. */
  async restore(): Promise<void> {
    const saved = await this.#store?.load();
    if (saved === null || saved === undefined) return;
    this.#default = saved.default;
    for (const queue of this.queues) {
      const rate = saved.queues[queue];
      if (rate !== undefined) this.#apart.set(queue, rate);
    }
    await this.#apply();
  }

  /** @throws InvalidValueError for a queue that has no limiter */
  get(queue: string | null): Rate {
    if (queue === null) return this.#default;
    this.#limiterOf(queue);
    return this.#apart.get(queue) ?? this.#default;
  }

  /**
   * Sets the rate of one queue apart, or with null of all of them: afterwards none is set apart any more. In force at
   * once; resolves when it is kept as well.
   *
   * @throws InvalidValueError; what the store throws: the rate is in force then, and will not outlive the process
   */
  async set(rate: Rate, queue: string | null): Promise<void> {
    checkRate(rate);
    if (queue === null) {
      this.#default = rate;
      this.#apart.clear();
    } else {
      this.#limiterOf(queue);
      this.#apart.set(queue, rate);
    }
    await this.#apply();
    await this.#store?.save({ default: this.#default, queues: Object.fromEntries(this.#apart) });
  }

  async #apply(): Promise<void> {
    for (const [queue, limiter] of this.#limiters) await limiter.setRate(this.get(queue));
  }

  #limiterOf(queue: string): RateLimiter {
    const limiter = this.#limiters.get(queue);
    if (limiter === undefined) throw new InvalidValueError('queue', 'not one of the queues of this daemon');
    return limiter;
  }
}

/** Reads what a store kept. @throws InternalError when it is nothing that was saved here */
export function savedRates(value: unknown): SavedRates {
  if (typeof value !== 'object' || value === null) throw new InternalError('the saved rates are no object');
  const { default: standard, queues } = value as Record<string, unknown>;
  if (typeof queues !== 'object' || queues === null)
    throw new InternalError('the saved rates have no queues');
  return {
    default: savedRate(standard),
    queues: Object.fromEntries(Object.entries(queues).map(([queue, rate]) => [queue, savedRate(rate)])),
  };
}

function savedRate(value: unknown): Rate {
  if (value === 'unlimited' || typeof value === 'number') return checkRate(value);
  throw new InternalError('a saved rate is no rate');
}

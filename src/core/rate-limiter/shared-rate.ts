import type { Redis } from 'ioredis';
import { SharedLimiterError } from './errors.js';
import { isNewer, type HeldRate } from './held-rate.js';
import { RateInRedis, type SeenRate } from './rate-in-redis.js';
import { within } from './within.js';

/** What was saved of the rate, when Redis has lost it, is waited for so long at a time. */
const RECALL_MS = 2_000;

export interface SharedRateOptions {
  readonly archive: string;
  /** Bottleneck's name of the limiter. */
  readonly limiterId: string;
  readonly held: HeldRate;
  /** A newer rate is held: another daemon set it, or it has got the time of Redis' clock. */
  readonly onHeld: (held: HeldRate) => void;
  /** What was saved outside of Redis, which has nothing; null = nothing. May reject. */
  readonly recall: () => Promise<HeldRate | null>;
}

/** Redis has lost the rate, and what was saved of it can't be read. */
export class RateForgottenError extends SharedLimiterError {
  constructor() {
    super('Redis has lost the rate, and the database is away', 'later');
  }
}

/**
 * The rate of one archive as this daemon and Redis hold it: each time it looks, both end with the newest. What goes wrong
 * on the way to Redis is thrown as it comes.
 */
export class SharedRate {
  readonly #options: SharedRateOptions;
  readonly #inRedis: RateInRedis;
  #held: HeldRate;
  /** Where its time comes from: Redis, what was known of its clock, or our own clock. */
  #dated: 'by Redis' | 'estimated' | 'guessed' = 'by Redis';
  /** Redis' clock, in microseconds, and ours at that time. */
  #clock: { readonly micros: number; readonly at: number } | null = null;

  constructor(options: SharedRateOptions) {
    this.#options = options;
    this.#inRedis = new RateInRedis(options.archive, options.limiterId);
    this.#held = options.held;
  }

  get held(): HeldRate {
    return this.#held;
  }

  /** @throws RateForgottenError */
  async look(client: Redis): Promise<SeenRate> {
    const seen = await this.#inRedis.see(client);
    this.#clock = { micros: seen.clock, at: performance.now() };
    if (seen.held === null) await this.#recall();
    await this.#date(client, seen.held);
    if (seen.held !== null && !isNewer(this.#held, seen.held)) this.#take(seen.held);
    else await this.offer(client);
    return seen;
  }

  moment(client: Redis, after: number): Promise<number> {
    return this.#inRedis.moment(client, after);
  }

  /** By Redis' clock as far as it is known. */
  estimate(after: number): number {
    const { micros, at } = this.#clock ?? { micros: Date.now() * 1000, at: performance.now() };
    return Math.max(Math.round(micros + (performance.now() - at) * 1000), after + 1);
  }

  /** @param isAsked its time is a moment of Redis' clock */
  keep(held: HeldRate, isAsked: boolean): void {
    this.#held = held;
    this.#dated = isAsked ? 'by Redis' : this.#clock === null ? 'guessed' : 'estimated';
  }

  /** Hands over what is held, unless a newer one is there: that is held afterwards. */
  async offer(client: Redis): Promise<void> {
    this.#take(await this.#inRedis.offer(client, this.#held));
  }

  /** Redis has nothing, so what it had may be newer than what is held here. */
  async #recall(): Promise<void> {
    const saved = await within(
      this.#options.recall().catch(() => 'failed' as const),
      RECALL_MS,
    );
    if (saved === 'late' || saved === 'failed') throw new RateForgottenError();
    if (saved !== null) this.#take(saved);
  }

  /** Gives what is held a time by Redis' clock, if it has none. */
  async #date(client: Redis, there: HeldRate | null): Promise<void> {
    const mine = this.#held;
    if (this.#dated === 'by Redis' && mine.setAt > 0) return;
    // A stop whose time is a mere guess holds against anything: what is in Redis is most likely older.
    if (this.#dated === 'estimated' && there !== null && isNewer(there, mine)) return;
    const setAt = await this.moment(client, Math.max(mine.setAt, there?.setAt ?? 0));
    if (mine !== this.#held) return; // set meanwhile: looked at next time
    this.keep({ ...mine, setAt }, true);
    this.#options.onHeld(this.#held);
  }

  #take(held: HeldRate): void {
    if (!isNewer(held, this.#held)) return;
    this.keep(held, true);
    this.#options.onHeld(held);
  }
}

import { pause } from './cancel.js';
import {
  CancelledError,
  codeOf,
  describeError,
  InternalError,
  InvalidValueError,
  PixlError,
  TimeoutError,
} from './errors.js';
import type { Logger } from './log.js';
import { checkRate, isNewer, isSet, SharedLimiterError } from './rate-limiter/index.js';
import type { HeldRate, Rate, RateLimiter } from './rate-limiter/index.js';
import { within } from './rate-limiter/within.js';
import { savedFor, type RateToSave, type SavedRates } from './saved-rates.js';

/** Where the rates are kept; the database, mostly. */
export interface RateStore {
  /** @throws PixlError with retry `later` when they can't be read now */
  load(): Promise<SavedRates>;
  /**
   * Keeps each of them, unless a newer one is kept.
   * @throws PixlError with retry `later` when they can't be kept now; what a lost answer was about may be kept all the same
   */
  save(rates: readonly RateToSave[]): Promise<void>;
}

/** What a set rate lacks although it is in force here. */
export interface RateRemarks {
  /** Why it would not outlive the process; it is saved as soon as that can be done. */
  readonly unsaved: string | null;
  /** Why other daemons have not heard of it; they do as soon as that can be done. */
  readonly unshared: string | null;
}

/** The API's client waits 10 s, for this and for Redis. */
const SAVE_MS = 3_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * The rate of each queue's archive, changed while the daemon runs. What is in force is what the limiters hold, and nothing is kept
 * beside them: a rate is saved first, then handed to the limiters of the queues that it was set for.
 */
export class Rates {
  readonly #limiters: ReadonlyMap<string, RateLimiter>;
  readonly #store: RateStore | null;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  /** When what is saved for a queue was set. */
  readonly #saved = new Map<string, number>();
  /** Times of rates that were refused, though the store may have them. */
  readonly #doubts = new Map<string, number>();
  #saving: Promise<void> | null = null;

  /**
   * @param limiters by the name of the queue whose archive they limit
   * @param store null: a rate that is set is forgotten at the end of the process, unless it is shared
   */
  constructor(limiters: ReadonlyMap<string, RateLimiter>, store: RateStore | null, log: Logger) {
    this.#limiters = limiters;
    this.#store = store;
    this.#log = log;
  }

  get queues(): readonly string[] {
    return [...this.#limiters.keys()];
  }

  /**
   * Puts the rates in force that were set last, unless the limiters hold newer ones. From now on the limiters ask the
   * store when Redis has lost theirs.
   *
   * @throws what the store throws
   */
  async restore(): Promise<void> {
    const store = this.#store;
    if (store === null) return;
    const saved = await store.load();
    for (const [queue, limiter] of this.#limiters) {
      const held = savedFor(saved, queue);
      if (held !== null) {
        this.#saved.set(queue, held.setAt);
        await limiter.hold(held).catch(unlessUnshared);
      }
      limiter.keptBy({
        recall: async () => savedFor(await store.load(), queue),
        changed: () => this.#saveLater(),
      });
    }
    this.#saveLater();
  }

  /**
   * The rate of a queue; null = of the queues that were not set apart, or of the first one when all were.
   * @throws InvalidValueError for a queue that has no limiter
   */
  get(queue: string | null): Rate {
    if (queue !== null) return this.#limiterOf(queue).held().rate;
    const all = [...this.#limiters.values()].map((limiter) => limiter.held());
    const together = all.filter(({ by }) => by !== 'queue');
    const [newest] = together.sort((one, other) => (isNewer(one, other) ? -1 : 1)).concat(all);
    if (newest === undefined) throw new InternalError('rates without a limiter');
    return newest.rate;
  }

  /**
   * Sets the rate of one queue, or with null of all of them. It is saved first and then in force, here at once and in the
   * daemons that share it within a second. A rate of 0 is in force here before anything else.
   *
   * @throws InvalidValueError; what the store throws, and SharedLimiterError when Redis is away: nothing is changed then. A rate of
   *   0 holds all the same, and says what it lacks
   */
  async set(rate: Rate, queue: string | null): Promise<RateRemarks> {
    checkRate(rate);
    const queues = queue === null ? this.queues : [queue];
    const limiters = queues.map((name) => this.#limiterOf(name));
    const by = queue === null ? 'all' : 'queue';
    const after = Math.max(...limiters.map((limiter) => limiter.held().setAt));
    const [first] = limiters;
    if (first === undefined) return { unsaved: null, unshared: null };
    const estimate = first.estimatedMoment(after);
    if (rate === 0) for (const limiter of limiters) limiter.stopHere(by, estimate);
    const moment = await first.nextMoment(after).catch((error: unknown) => {
      if (rate === 0 && error instanceof SharedLimiterError) return error;
      throw error;
    });
    const setAt = typeof moment === 'number' ? moment : estimate;
    const unsaved = await this.#saveNow({ rate, setAt, queue }, queues);
    const unshared =
      typeof moment === 'number' ? await holdAll(limiters, { rate, setAt, by }) : moment.message;
    return { unsaved, unshared };
  }

  /** Nothing is saved any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const limiter of this.#limiters.values()) limiter.keptBy(null);
    await this.#saving;
  }

  /** @returns why it could not be saved, which a rate of 0 may lack */
  async #saveNow(toSave: RateToSave, queues: readonly string[]): Promise<string | null> {
    if (this.#store === null) return null;
    const saving = this.#store.save([toSave]);
    saving.catch(() => undefined); // when it is late
    try {
      if ((await within(saving, SAVE_MS)) === 'late')
        throw new TimeoutError('database', 'save the rate', SAVE_MS);
    } catch (error) {
      if (toSave.rate === 0) return describeError(error);
      for (const queue of queues) this.#doubts.set(queue, toSave.setAt);
      this.#saveLater();
      throw error;
    }
    for (const queue of queues) this.#saved.set(queue, toSave.setAt);
    return null;
  }

  /** Saves what the limiters hold and the store has not, again and again until it can be done. */
  #saveLater(): void {
    if (this.#store === null || this.#saving !== null || this.#closing.signal.aborted) return;
    if (this.#unsaved().length === 0 && this.#doubts.size === 0) return;
    this.#saving = this.#saveAll(this.#store)
      .then(() => {
        this.#saving = null;
        this.#saveLater(); // what came in the meantime
      })
      .catch((error: unknown) => {
        this.#saving = null;
        if (error instanceof CancelledError) return;
        const fields = { operation: 'rate', code: codeOf(error), reason: describeError(error) };
        this.#log.error(fields, 'the rate is not saved');
      });
  }

  async #saveAll(store: RateStore): Promise<void> {
    for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(2 * ms, LONGEST_PAUSE_MS)) {
      // What `set` is about to save is saved once.
      await pause(ms, this.#closing.signal, 'rate');
      try {
        await this.#overruleDoubts();
        const unsaved = this.#unsaved();
        if (unsaved.length === 0) return;
        await store.save(unsaved.map(({ toSave }) => toSave));
        for (const { name, toSave } of unsaved) this.#saved.set(name, toSave.setAt);
      } catch (error) {
        if (!(error instanceof PixlError) || error instanceof CancelledError) throw error;
        const fields = { operation: 'rate', reason: describeError(error) };
        this.#log.warn(fields, 'the rate is not saved yet');
      }
    }
  }

  #unsaved(): readonly { readonly name: string; readonly toSave: RateToSave }[] {
    return [...this.#limiters].flatMap(([name, limiter]) => {
      const held = limiter.held();
      if (!isSet(held) || held.setAt <= (this.#saved.get(name) ?? 0)) return [];
      const { by, rate, setAt } = held;
      return [{ name, toSave: { queue: by === 'all' ? null : name, rate, setAt } }];
    });
  }

  /** The rate that holds is set anew, later than the one that was refused: that must not come back with a restart. */
  async #overruleDoubts(): Promise<void> {
    for (const [queue, refused] of this.#doubts) {
      const limiter = this.#limiterOf(queue);
      const { rate, setAt } = limiter.held();
      if (setAt <= refused)
        await limiter
          .hold({ rate, setAt: await limiter.nextMoment(refused), by: 'queue' })
          .catch(unlessUnshared);
      this.#doubts.delete(queue);
    }
  }

  #limiterOf(queue: string): RateLimiter {
    const limiter = this.#limiters.get(queue);
    if (limiter === undefined) throw new InvalidValueError('queue', 'not one of the queues of this daemon');
    return limiter;
  }
}

/** @returns why other daemons could not be told; null = they were */
async function holdAll(limiters: readonly RateLimiter[], held: HeldRate): Promise<string | null> {
  let unshared: string | null = null;
  for (const limiter of limiters)
    await limiter.hold(held).catch((error: unknown) => {
      unlessUnshared(error);
      unshared = describeError(error);
    });
  return unshared;
}

/** The limiter hands its rate over by itself when Redis is back. */
function unlessUnshared(error: unknown): void {
  if (!(error instanceof SharedLimiterError)) throw error;
}

import { systemClock, type Clock } from '../breaker.js';
import { throwIfCancelled } from '../cancel.js';
import { CancelledError, InternalError } from '../errors.js';
import type { Logger } from '../log.js';
import { Batch, type Admission } from './batch.js';
import type { Bucket, Ticket } from './bucket.js';
import { SharedLimiterError } from './errors.js';
import { isNewer, type HeldRate, type RateKeeper } from './held-rate.js';
import { LocalBucket } from './local-bucket.js';
import { checkRate, checkSettings, planFor, type Rate, type RatePlan, type RateSettings } from './plan.js';
import { SharedBucket } from './shared-bucket.js';
import { checkRedis } from './shared-redis.js';
import { stateOf, type RateLimiterState } from './state.js';
import { Spacing } from './spacing.js';
import { WaitingLine, type Waiter } from './waiting-line.js';

export interface RateLimiterOptions extends RateSettings {
  /** The archive's. Limiters of one name on one Redis share their tokens. */
  readonly name: string;
  /** Several daemons on this Redis share one cap; null = this process alone. */
  readonly redisUrl?: string | null;
  /** Of a limiter on no Redis. Default: the system's. */
  readonly clock?: Clock;
  readonly log: Logger;
}

/** How long a batch may take to end by itself after the rate was lowered. */
const REVOKE_AFTER_MS = 500;
/** A waiter asks again at least so often: other daemons take and give back, too. */
const ASK_AGAIN_MS = 250;

/**
 * Makes the limiter of one archive; the consumer and the retrieval share it.
 *
 * @throws SharedLimiterError when Redis answers and refuses us. When it is away the limiter is made all the same; it admits nothing
 *   until Redis is there. InvalidValueError for a rate or capacity that is none
 */
export async function createRateLimiter(options: RateLimiterOptions): Promise<RateLimiter> {
  checkSettings(options);
  const url = options.redisUrl ?? null;
  if (url !== null) await checkRedis(url);
  return new RateLimiter(options, url);
}

/**
 * Says how many images may leave an archive, and when. Bottleneck admits (see bucket.ts); this keeps the line of those who
 * wait: first come, first served, each for one batch, so a big study and a hundred small ones take turns; none is
 * forgotten when it is cancelled, and all are planned anew when the rate changes. Why the promise of the rate is
 * kept is in plan.ts.
 */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #clock: Clock;
  readonly #bucket: Bucket;
  readonly #line = new WaitingLine();
  readonly #spacing: Spacing;
  readonly #underWay = new Set<Batch>();
  readonly #listeners = new Set<() => void>();
  #settings: RateSettings;
  #held: HeldRate;
  #keeper: RateKeeper | null = null;
  #plan: RatePlan;
  #isPumping = false;
  #pumping: Promise<void> = Promise.resolve();
  #wakeUp: (() => void) | undefined;
  #woken = false;
  #closed = false;
  #lastShown = '';

  /** @internal see createRateLimiter */
  constructor(options: RateLimiterOptions, redisUrl: string | null) {
    this.#options = options;
    const { rate, capacity, unit } = options;
    this.#clock = options.clock ?? systemClock;
    this.#settings = { rate, capacity, unit };
    this.#held = { rate, setAt: 0, by: 'configuration' };
    this.#plan = planFor(this.#settings);
    this.#spacing = new Spacing(this.#plan.spacingMs, this.#clock);
    this.#bucket =
      redisUrl === null
        ? new LocalBucket(this.#settings, this.#clock)
        : new SharedBucket({
            name: options.name,
            url: redisUrl,
            settings: this.#settings,
            held: this.#held,
            log: options.log,
            onHeld: (held) => {
              this.#adopt(held);
              this.#changed();
            },
            onTrouble: () => this.#changed(),
            recall: async () => this.#keeper?.recall() ?? null,
          });
    this.#lastShown = this.#shown();
  }

  /**
   * Runs `move` as soon as a batch of images may leave the archive, and counts them as in flight until it has ended.
   * How many are admitted is known only then, because the rate may have changed meanwhile: at least 1, at most `wanted`.
   *
   * @param options.whole the images cannot be asked for in parts (an archive that moves whole series only): all are admitted, and
   *   what is above the largest batch is owed: nothing more is admitted until it is paid off at the rate
   * @throws CancelledError; what `move` throws
   */
  async admitImages<T>(
    wanted: number,
    signal: AbortSignal,
    move: (admission: Admission) => Promise<T>,
    options: { readonly whole?: boolean } = {},
  ): Promise<T> {
    if (!Number.isSafeInteger(wanted) || wanted < 1)
      throw new InternalError('a batch of no whole number of images');
    const batch = await this.#wait({ kind: 'images', wanted, whole: options.whole ?? false }, signal);
    try {
      return await move(batch);
    } finally {
      this.#end(batch);
    }
  }

  /**
   * Resolves when a message may be taken off the queue. Unit `study`: it costs a token. Unit `image`: it costs
   * nothing, but while batches wait or less than one image could be admitted it is not let through.
   *
   * @throws CancelledError
   */
  async admitMessage(signal: AbortSignal): Promise<void> {
    const batch = await this.#wait({ kind: 'message', wanted: 1, whole: false }, signal);
    this.#end(batch);
  }

  /**
   * Sets the rate: in force at once here, and on a shared limiter within a second in every daemon.
   *
   * @throws InvalidValueError; SharedLimiterError when Redis is away: nothing is changed then, but 0 holds here all the same
   */
  async setRate(rate: Rate): Promise<void> {
    checkRate(rate);
    if (rate === 0) this.stopHere('queue', this.estimatedMoment());
    await this.hold({ rate, setAt: await this.nextMoment(), by: 'queue' });
  }

  /** The rate that is in force, and since when. */
  held(): HeldRate {
    return this.#held;
  }

  /** A moment to set a rate at, later than `after`; on a shared limiter by Redis' clock. @throws SharedLimiterError */
  nextMoment(after = 0): Promise<number> {
    return this.#bucket.moment(Math.max(after, this.#held.setAt));
  }

  /** About the same, without asking Redis. */
  estimatedMoment(after = 0): number {
    return this.#bucket.estimate(Math.max(after, this.#held.setAt));
  }

  /**
   * Puts a rate in force that was set at a moment of `nextMoment`, or saved before, unless a newer one is held.
   * @throws SharedLimiterError when the other daemons can't be told now: they are when Redis is back
   */
  async hold(held: HeldRate): Promise<void> {
    if (!isNewer(held, this.#held)) return;
    this.#adopt(held);
    try {
      await this.#bucket.apply(this.#settings, held);
    } finally {
      this.#changed();
    }
  }

  /** Stops this daemon now, and the others as soon as Redis can be asked. Nobody is waited for. */
  stopHere(by: 'all' | 'queue', setAt: number): void {
    this.#adopt({ rate: 0, setAt, by });
    this.#bucket.keep(this.#settings, this.#held);
    this.#changed();
  }

  /** The keeper is asked when Redis has lost the rate, before the one that is held here is put there. */
  keptBy(keeper: RateKeeper | null): void {
    this.#keeper = keeper;
  }

  settings(): RateSettings {
    return this.#settings;
  }

  /** The most images that are admitted at once; Infinity = a whole study. */
  get largestBatch(): number {
    return this.#plan.largestBatch;
  }

  /** The most images that are admitted and have not come yet; Infinity = any number. */
  get inFlight(): number {
    return this.#plan.inFlight;
  }

  /** Batches and messages that wait. */
  get waiting(): number {
    return this.#line.size;
  }

  state(): RateLimiterState {
    return stateOf(this.#settings, this.#plan, {
      reason: this.#reason(),
      available: this.#bucket.knownLevel(),
      waiting: this.#line.size,
      batchesWait: this.#line.images > 0,
      shared: this.#bucket instanceof SharedBucket,
    });
  }

  /** Tells of changes of the rate, of being paused, and of the reason. Gives a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whoever waits gets a CancelledError. Batches under way may end. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#listeners.clear();
    this.#line.rejectAll(new CancelledError('image rate'));
    this.#wake();
    for (const batch of this.#underWay) batch.settle();
    await this.#pumping;
    await this.#spacing.close();
    await this.#bucket.close();
  }

  #reason(): string | null {
    const reasons = [this.#settings.rate === 0 ? 'the rate is 0' : null, this.#bucket.trouble()];
    return reasons.filter((reason) => reason !== null).join('; ') || null;
  }

  async #wait(wish: Pick<Waiter, 'kind' | 'wanted' | 'whole'>, signal: AbortSignal): Promise<Batch> {
    throwIfCancelled(signal, 'image rate');
    if (this.#closed) throw new CancelledError('image rate');
    return new Promise<Batch>((resolve, reject) => {
      const cancel = (): void => {
        this.#line.remove(waiter);
        reject(new CancelledError('image rate'));
        this.#wake();
      };
      const waiter: Waiter = {
        ...wish,
        dueAt: null,
        admit: (batch) => {
          signal.removeEventListener('abort', cancel);
          resolve(batch);
        },
        reject: (error) => {
          signal.removeEventListener('abort', cancel);
          reject(error);
        },
      };
      signal.addEventListener('abort', cancel, { once: true });
      this.#line.add(waiter);
      this.#wake();
      if (!this.#isPumping) this.#pumping = this.#pump();
    });
  }

  /** Admits the first in the line, again and again. There is no timer while nobody waits. */
  async #pump(): Promise<void> {
    this.#isPumping = true;
    try {
      for (let first = this.#line.first(); first !== undefined; first = this.#line.first()) {
        this.#woken = false;
        const ms = await this.#tryAdmit(first).catch((error: unknown) => this.#failed(first, error));
        if (ms > 0) await this.#sleep(ms);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  /** @returns ms until it is worth asking again; 0 = at once */
  async #tryAdmit(waiter: Waiter): Promise<number> {
    if (this.#reason() !== null) return Infinity;
    if (this.#costsNothing(waiter)) return this.#admit(waiter, waiter.wanted, null);
    const plan = this.#plan;
    const { perSecond, largestBatch } = plan;
    const level = await this.#bucket.level();
    const pass = waiter.kind === 'message' && this.#settings.unit === 'image';
    const full = Math.min(waiter.wanted, largestBatch);
    const share = this.#mayTakeLess(waiter) ? Math.max(1, Math.min(full, Math.floor(level))) : full;
    if (level < share) return this.#planned(waiter, ((share - level) * 1000) / (perSecond ?? Infinity));
    if (pass) return this.#admit(waiter, 0, null);
    const ticket = await this.#bucket.tryTake(share);
    // Too much is in flight: the end of a batch wakes us.
    if (ticket === null) return ASK_AGAIN_MS;
    // The rate has changed while Bottleneck was asked. What was under way then has been looked at, and this was not.
    if (plan !== this.#plan) {
      if (perSecond !== null) await this.#giveBack(share);
      await this.#release(ticket);
      return 0;
    }
    return this.#admit(waiter, share, ticket);
  }

  #costsNothing(waiter: Waiter): boolean {
    return waiter.kind === 'images' && this.#settings.unit === 'study';
  }

  /** Another daemon took what it waited for: no longer for the whole of it, or small batches there would starve it. */
  #mayTakeLess(waiter: Waiter): boolean {
    return waiter.dueAt !== null && !waiter.whole && this.#clock.now() > waiter.dueAt;
  }

  #planned(waiter: Waiter, ms: number): number {
    waiter.dueAt ??= this.#clock.now() + 1.5 * ms + ASK_AGAIN_MS;
    return Math.min(Math.max(1, Math.ceil(ms)), ASK_AGAIN_MS);
  }

  /** The waiter may have been cancelled while Bottleneck was asked. */
  async #admit(waiter: Waiter, tokens: number, ticket: Ticket | null): Promise<number> {
    const stillThere = this.#line.remove(waiter);
    const images = waiter.whole ? waiter.wanted : tokens;
    if (!stillThere) {
      if (ticket !== null) {
        await this.#giveBack(tokens);
        await this.#release(ticket);
      }
      return 0;
    }
    const put = ticket === null ? () => undefined : (unused: number) => void this.#giveBack(unused);
    const batch = new Batch(images, ticket, put, this.#clock);
    const owed = ticket === null ? 0 : images - tokens;
    if (owed > 0) void this.#giveBack(-owed);
    this.#underWay.add(batch);
    waiter.admit(batch);
    return 0;
  }

  #end(batch: Batch): void {
    this.#underWay.delete(batch);
    batch.settle();
    const { ticket } = batch;
    if (ticket === null) return;
    if (batch.nothingCame) void this.#release(ticket);
    else this.#spacing.after(batch.ms(), () => this.#release(ticket));
  }

  async #release(ticket: Ticket): Promise<void> {
    await ticket.release();
    this.#wake();
  }

  async #giveBack(tokens: number): Promise<void> {
    try {
      await this.#bucket.add(tokens);
    } catch (error) {
      // Redis is away. Tokens that are not put back are lost, which is the safe side.
      if (!(error instanceof SharedLimiterError)) throw error;
    }
    this.#wake();
  }

  #failed(waiter: Waiter, error: unknown): number {
    if (error instanceof SharedLimiterError) return ASK_AGAIN_MS;
    this.#line.remove(waiter);
    waiter.reject(new InternalError('the image rate cannot be kept', { cause: error }));
    return 0;
  }

  #adopt(held: HeldRate): void {
    this.#held = held;
    this.#settings = { ...this.#settings, rate: held.rate };
    this.#plan = planFor(this.#settings);
    this.#spacing.change(this.#plan.spacingMs);
    this.#line.forgetPlans();
    for (const batch of this.#underWay)
      if (batch.images > Math.max(1, this.#plan.largestBatch)) batch.revokeAfter(REVOKE_AFTER_MS);
  }

  #changed(): void {
    this.#wake();
    this.#keeper?.changed();
    const shown = this.#shown();
    if (shown === this.#lastShown) return;
    this.#lastShown = shown;
    const { rate } = this.#settings;
    const { name, log } = this.#options;
    log.info({ operation: 'rate', archive: name, rate, reason: this.#reason() }, 'image rate');
    for (const listener of [...this.#listeners]) listener();
  }

  #shown(): string {
    return JSON.stringify([this.#settings, this.#reason()]);
  }

  #wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#woken) return;
    let cancelTimer: (() => void) | undefined;
    await new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
      if (ms !== Infinity) cancelTimer = this.#clock.after(ms, resolve);
    });
    cancelTimer?.();
    this.#wakeUp = undefined;
  }
}

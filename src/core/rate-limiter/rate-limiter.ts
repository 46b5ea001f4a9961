import { systemClock, type Clock } from '../breaker.js';
import { throwIfCancelled } from '../cancel.js';
import { CancelledError, InternalError } from '../errors.js';
import type { Logger } from '../log.js';
import { Batch, type Admission } from './batch.js';
import type { Bucket, Ticket } from './bucket.js';
import { SharedLimiterError } from './errors.js';
import { LocalBucket } from './local-bucket.js';
import { checkRate, checkSettings, planFor, type Rate, type RatePlan, type RateSettings } from './plan.js';
import { SharedBucket } from './shared-bucket.js';
import { checkRedis } from './shared-redis.js';
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

export interface RateLimiterState {
  readonly rate: Rate;
  /** What may come out of the archive at once; null = unlimited. */
  readonly capacity: number | null;
  readonly unit: RateSettings['unit'];
  readonly paused: boolean;
  /** Why nothing is admitted, when it is paused. */
  readonly reason: string | null;
  /** No message should be taken: it is paused, batches wait, or less than one token is there. */
  readonly empty: boolean;
  /** Batches and messages that wait. */
  readonly waiting: number;
  /** Tokens that could be taken now; negative = in debt; null = unlimited. */
  readonly available: number | null;
  /** null = any number of images can be admitted at once: a whole study is one C-MOVE. */
  readonly largestBatch: number | null;
  readonly shared: boolean;
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
    this.#plan = planFor(this.#settings);
    this.#spacing = new Spacing(this.#plan.spacingMs, this.#clock);
    this.#bucket =
      redisUrl === null
        ? new LocalBucket(this.#settings, this.#clock)
        : new SharedBucket({
            name: options.name,
            url: redisUrl,
            settings: this.#settings,
            log: options.log,
            onSettings: (settings) => {
              this.#adopt(settings);
              this.#changed();
            },
            onTrouble: () => this.#changed(),
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
   * In force at once for everybody, on a shared limiter for every daemon.
   *
   * @throws InvalidValueError; SharedLimiterError when Redis is away: nothing is admitted here then, and the rate is
   *   handed over as soon as Redis is back, but other daemons may go on at the old one until then
   */
  async setRate(rate: Rate): Promise<void> {
    await this.change({ rate });
  }

  /** Like `setRate`, for all of the settings. */
  async change(changes: Partial<RateSettings>): Promise<void> {
    const settings = checkSettings({ ...this.#settings, ...changes });
    checkRate(settings.rate);
    this.#adopt(settings);
    try {
      await this.#bucket.apply(settings);
    } finally {
      this.#changed();
    }
  }

  settings(): RateSettings {
    return this.#settings;
  }

  /** The most images that are admitted at once; Infinity = a whole study. */
  get largestBatch(): number {
    return this.#plan.largestBatch;
  }

  state(): RateLimiterState {
    const { rate, unit } = this.#settings;
    const { capacity, largestBatch } = this.#plan;
    const available = this.#bucket.knownLevel();
    const reason = this.#reason();
    return {
      rate,
      capacity: finiteOrNull(capacity),
      unit,
      paused: reason !== null,
      reason,
      empty: reason !== null || this.#line.images > 0 || available < 1,
      waiting: this.#line.size,
      available: finiteOrNull(available),
      largestBatch: finiteOrNull(largestBatch),
      shared: this.#bucket instanceof SharedBucket,
    };
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
    return this.#bucket.trouble() ?? (this.#settings.rate === 0 ? 'the rate is 0' : null);
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

  #adopt(settings: RateSettings): void {
    this.#settings = settings;
    this.#plan = planFor(settings);
    this.#spacing.change(this.#plan.spacingMs);
    this.#line.forgetPlans();
    for (const batch of this.#underWay)
      if (batch.images > Math.max(1, this.#plan.largestBatch)) batch.revokeAfter(REVOKE_AFTER_MS);
  }

  #changed(): void {
    this.#wake();
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

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

import Bottleneck from 'bottleneck';
import type { Redis } from 'ioredis';
import type { Logger } from '../log.js';
import {
  schedule,
  UNITS,
  units,
  unitsOrNull,
  updateSettings,
  YES_OR_NO,
  type Bucket,
  type Ticket,
} from './bucket.js';
import { SharedLimiterError } from './errors.js';
import type { HeldRate } from './held-rate.js';
import { planFor, type RatePlan, type RateSettings } from './plan.js';
import type { SeenRate } from './rate-in-redis.js';
import { RateForgottenError, SharedRate, type SharedRateOptions } from './shared-rate.js';
import { openRedis, troubleOf, type RedisTrouble } from './shared-redis.js';
import { Turns } from './turns.js';
import { within } from './within.js';

/** How often a daemon looks whether Redis is there, and whether another daemon has set the rate. */
const LOOK_MS = 300;
/** A daemon that is killed leaves places in flight behind; after this time Bottleneck gives them up. */
const IN_FLIGHT_MS = 30_000;
/** An admission that Bottleneck neither gives nor refuses in this time is given up together with its limiter. */
const STUCK_MS = 2_500;
/** Commands that time out in a row before the connection is taken for dead. */
const MOST_TIMEOUTS = 2;

export interface SharedBucketOptions extends Pick<SharedRateOptions, 'held' | 'onHeld' | 'recall'> {
  readonly name: string;
  readonly url: string;
  readonly settings: RateSettings;
  readonly log: Logger;
  /** `trouble()` has changed. */
  readonly onTrouble: () => void;
}

/** `forgotten`: Redis has lost the rate, and what was saved of it can't be read. */
type Trouble = RedisTrouble | 'forgotten';

/**
 * The tokens of several processes, in one Redis, by Bottleneck's clustering. The reservoir is filled by Bottleneck's
 * script in Redis, which loses nothing: it counts whole intervals since the last refill, whoever asks. It asks for
 * nothing by itself but each 5 s, so whoever waits asks when there should be enough.
 *
 * Times in Redis are those of the daemon that asks: their clocks must be together within a second or so (NTP). One
 * that runs ahead does not make the rate higher, it only leaves the others waiting for it.
 *
 * The rate stands beside Bottleneck's settings, with the time at which it was set (see shared-rate.ts): a daemon that was
 * away for a while, or a Redis that came back empty, gets the newest one. Capacity and unit are each daemon's own.
 */
export class SharedBucket implements Bucket {
  readonly #options: SharedBucketOptions;
  readonly #turns = new Turns();
  readonly #looking: NodeJS.Timeout;
  readonly #rate: SharedRate;
  #link: Link;
  #settings: RateSettings;
  #plan: RatePlan;
  #trouble: Trouble | null = 'away';
  /** The settings in Redis are known to be ours. */
  #written = false;
  #timeouts = 0;
  #level = 0;
  #levelAt = 0;
  #closed = false;

  constructor(options: SharedBucketOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#plan = planFor(options.settings);
    this.#rate = new SharedRate({
      ...{ archive: options.name, limiterId: this.#key, held: options.held, recall: options.recall },
      onHeld: (held) => {
        this.#follow({ ...this.#settings, rate: held.rate });
        options.onHeld(held);
      },
    });
    this.#link = this.#open();
    this.#looking = setInterval(() => void this.#look(), LOOK_MS);
    this.#looking.unref();
  }

  trouble(): string | null {
    switch (this.#trouble) {
      case null:
        return null;
      case 'away':
        return 'shared limiter: Redis is away';
      case 'refused':
        return 'shared limiter: Redis refuses the user name or password';
      case 'forgotten':
        return 'shared limiter: Redis has lost the rate, and the database is away';
    }
  }

  knownLevel(): number {
    const { perSecond, reservoir } = this.#plan;
    if (perSecond === null) return Infinity;
    return Math.min(reservoir, this.#level + ((Date.now() - this.#levelAt) * perSecond) / 1000);
  }

  async level(): Promise<number> {
    return this.#guarded(async () => {
      const reservoir = await this.#link.limiter.currentReservoir();
      this.#level = reservoir === null ? Infinity : reservoir / UNITS;
      this.#levelAt = Date.now();
      return this.#level;
    });
  }

  async tryTake(tokens: number): Promise<Ticket | null> {
    const { limiter } = this.#link;
    const expiration = IN_FLIGHT_MS + (Number.isFinite(this.#plan.spacingMs) ? this.#plan.spacingMs : 0);
    const taking = this.#guarded(() => schedule(limiter, tokens, Math.min(expiration, 2 ** 31 - 1)));
    const ticket = await within(taking, STUCK_MS);
    if (ticket === 'late') {
      // Somebody took the tokens between Bottleneck's two looks, or Redis went in between.
      void taking.then((late) => late?.release()).catch(() => undefined);
      this.#renew();
      return null;
    }
    if (ticket !== null) this.#level -= tokens;
    return ticket;
  }

  async add(tokens: number): Promise<void> {
    if (this.#plan.perSecond === null) return;
    const level = tokens > 0 ? await this.level() : 0;
    const room = tokens > 0 ? this.#plan.reservoir - level : Infinity;
    await this.#guarded(() => this.#link.limiter.incrementReservoir(units(Math.min(tokens, room))));
  }

  /** @throws SharedLimiterError when Redis is away */
  async moment(after: number): Promise<number> {
    if (this.#link.client.status !== 'ready') throw this.#away(null);
    try {
      return await this.#rate.moment(this.#link.client, after);
    } catch (error) {
      this.#inTrouble(error);
      throw this.#away(error);
    }
  }

  estimate(after: number): number {
    return this.#rate.estimate(after);
  }

  keep(settings: RateSettings, held: HeldRate): void {
    this.#rate.keep(held, false);
    this.#follow(settings);
  }

  /** @throws SharedLimiterError when Redis is away; the rate is handed over when it is back */
  async apply(settings: RateSettings, held: HeldRate): Promise<void> {
    this.#rate.keep(held, true);
    this.#follow(settings);
    await this.#turns.take(async () => {
      try {
        if (this.#link.client.status !== 'ready') throw this.#away(null);
        await this.#rate.offer(this.#link.client);
      } catch (error) {
        this.#inTrouble(error);
        throw this.#away(error);
      }
      await this.#write();
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#looking);
    closeLink(this.#link);
    return Promise.resolve();
  }

  get #key(): string {
    return `pixl_rate_${this.#options.name}`;
  }

  #open(): Link {
    const client = openRedis(this.#options.url);
    const mine = (): boolean => this.#link.client === client;
    client.on('error', (error) => {
      if (mine()) this.#inTrouble(error);
    });
    client.on('close', () => {
      if (mine()) this.#inTrouble(null);
    });
    client.on('ready', () => void this.#look());
    const connection = new Bottleneck.IORedisConnection({ client });
    connection.on('error', () => undefined); // the subscriber's; the client's own are heard above
    const limiter = new Bottleneck({
      ...YES_OR_NO,
      ...bottleneckSettings(this.#plan),
      // Bottleneck begins with this when Redis knows nothing of the limiter: empty.
      reservoir: this.#plan.perSecond === null ? null : 0,
      id: this.#key,
      connection,
    });
    limiter.on('error', (error) => {
      if (mine()) this.#inTrouble(error);
    });
    limiter.ready().catch(() => undefined);
    return { client, connection, limiter };
  }

  /**
   * All of it anew, with nothing in its memory that was not answered; the tokens are in Redis. What is in flight is given up by
   * Bottleneck's script when its time is over.
   */
  #renew(): void {
    if (this.#closed) return;
    const old = this.#link;
    this.#link = this.#open();
    this.#inTrouble(null);
    closeLink(old);
  }

  /** Is Redis there, and is there a newer rate? */
  async #look(): Promise<void> {
    if (this.#closed || this.#link.client.status !== 'ready') return;
    await this.#turns
      .take(async () => {
        const seen = await this.#rate.look(this.#link.client);
        this.#timeouts = 0;
        if (!this.#written || !this.#isFilledAsPlanned(seen)) await this.#write();
      })
      .catch((error: unknown) => {
        // `write` has told of its own trouble.
        if (error instanceof RateForgottenError) this.#say('forgotten');
        else if (!(error instanceof SharedLimiterError)) this.#inTrouble(error);
      });
  }

  #follow(settings: RateSettings): void {
    this.#settings = settings;
    this.#plan = planFor(settings);
    this.#written = false;
  }

  /** Another daemon may have written Bottleneck's settings for an older rate and then have died. */
  #isFilledAsPlanned({ interval, amount }: SeenRate): boolean {
    const { reservoirIncreaseInterval, reservoirIncreaseAmount } = bottleneckSettings(this.#plan);
    return (
      (interval ?? '') === `${reservoirIncreaseInterval ?? ''}` &&
      (amount ?? '') === `${reservoirIncreaseAmount ?? ''}`
    );
  }

  #away(cause: unknown): SharedLimiterError {
    if (cause instanceof SharedLimiterError) return cause;
    return troubleOf(cause) === 'refused'
      ? new SharedLimiterError('Redis refuses the user name or password', 'never', cause)
      : new SharedLimiterError('Redis is away', 'later', cause);
  }

  /** Twice the same is no harm. */
  async #write(): Promise<void> {
    const { held } = this.#rate;
    try {
      if (this.#link.client.status !== 'ready') throw this.#away(null);
      const { limiter } = this.#link;
      // Bottleneck tries once to get ready. When that fails, or Redis goes meanwhile, it never will be.
      const up = limiter.ready().then(
        () => 'up',
        () => 'failed',
      );
      if ((await within(up, STUCK_MS)) !== 'up') {
        this.#renew();
        throw this.#away(null);
      }
      const level = await limiter.currentReservoir();
      const wasUnlimited = level === null;
      const { perSecond, reservoir } = this.#plan;
      await updateSettings(limiter, {
        ...bottleneckSettings(this.#plan),
        ...(perSecond === null ? { reservoir: null } : wasUnlimited ? { reservoir: 0 } : {}),
      });
      // By a difference and not by a value: what another daemon takes meanwhile stays taken.
      if (perSecond !== null && level !== null && level > units(reservoir))
        await limiter.incrementReservoir(units(reservoir) - level);
    } catch (error) {
      this.#inTrouble(error);
      throw this.#away(error);
    }
    this.#written = held === this.#rate.held;
    if (this.#trouble === null) return;
    this.#trouble = null;
    this.#options.log.info(
      { operation: 'rate', archive: this.#options.name },
      'shared limiter: Redis is there',
    );
    this.#options.onTrouble();
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#trouble !== null) throw new SharedLimiterError('Redis is away', 'later');
    try {
      return await work();
    } catch (error) {
      this.#inTrouble(error);
      throw new SharedLimiterError('Redis is away', 'later', error);
    }
  }

  #inTrouble(error: unknown): void {
    if (this.#closed) return;
    this.#timeouts = error instanceof Error && /timed out/i.test(error.message) ? this.#timeouts + 1 : 0;
    if (this.#timeouts >= MOST_TIMEOUTS) {
      this.#timeouts = 0;
      this.#link.client.disconnect(true);
    }
    const trouble = troubleOf(error);
    this.#written = false;
    // A connection that closes after a refusal closes because of it.
    if (this.#trouble === 'refused' && error === null) return;
    this.#say(trouble);
  }

  #say(trouble: Trouble): void {
    if (this.#trouble === trouble) return;
    this.#trouble = trouble;
    const reason = this.trouble() ?? '';
    this.#options.log.warn({ operation: 'rate', archive: this.#options.name, reason }, 'nothing is admitted');
    this.#options.onTrouble();
  }
}

interface Link {
  readonly client: Redis;
  readonly connection: Bottleneck.IORedisConnection;
  readonly limiter: Bottleneck;
}

/**
 * The connection first: a limiter that is taken off a living one unsubscribes in promises that nobody holds, and
 * their rejection, with Redis away, would end the process. Nor does its `disconnect` return the promise of its types.
 */
function closeLink({ connection, limiter }: Link): void {
  void connection.disconnect(false);
  void limiter.disconnect(false);
}

/** The refill in whole units and whole milliseconds, never faster than the rate. */
function bottleneckSettings(plan: RatePlan): Bottleneck.ConstructorOptions {
  const { perSecond } = plan;
  const refill =
    perSecond === null
      ? { reservoirIncreaseInterval: null, reservoirIncreaseAmount: null, reservoirIncreaseMaximum: null }
      : { ...refillOf(perSecond), reservoirIncreaseMaximum: units(plan.reservoir) };
  return { ...refill, maxConcurrent: unitsOrNull(plan.inFlight) };
}

/** A unit is a thousandth of a token, so the amount in units over the interval in ms is the rate itself. */
export function refillOf(perSecond: number): {
  readonly reservoirIncreaseInterval: number;
  readonly reservoirIncreaseAmount: number;
} {
  if (perSecond === 0) return { reservoirIncreaseInterval: 100, reservoirIncreaseAmount: 0 };
  let best = { interval: 0, amount: 0 };
  for (let interval = 10; interval <= 250; interval += 1) {
    const amount = Math.floor(perSecond * interval + 1e-9);
    if (best.interval === 0 || amount / interval > best.amount / best.interval + 1e-12)
      best = { interval, amount };
  }
  if (best.amount / best.interval < 0.995 * perSecond) {
    const interval = Math.min(2 ** 31 - 1, Math.ceil(1000 / perSecond));
    best = { interval, amount: Math.max(1, Math.floor(perSecond * interval + 1e-9)) };
  }
  return { reservoirIncreaseInterval: best.interval, reservoirIncreaseAmount: best.amount };
}

import Bottleneck from 'bottleneck';
import type { Redis } from 'ioredis';
import type { Logger } from '../log.js';
import { schedule, UNITS, units, unitsOrNull, YES_OR_NO, type Bucket, type Ticket } from './bucket.js';
import { SharedLimiterError } from './errors.js';
import { checkSettings, planFor, type RatePlan, type RateSettings } from './plan.js';
import { openRedis, troubleOf, type RedisTrouble } from './shared-redis.js';
import { Turns } from './turns.js';

/** How often a daemon looks whether Redis is there, and whether another daemon has set the rate. */
const LOOK_MS = 300;
/** A daemon that is killed leaves places in flight behind; after this time Bottleneck gives them up. */
const IN_FLIGHT_MS = 30_000;
/** An admission that Bottleneck neither gives nor refuses in this time is given up together with its limiter. */
const STUCK_MS = 2_500;
/** Commands that time out in a row before the connection is taken for dead. */
const MOST_TIMEOUTS = 2;

export interface SharedSettings {
  readonly settings: RateSettings;
  /** The newest wins. */
  readonly changedAt: number;
}

export interface SharedBucketOptions {
  readonly name: string;
  readonly url: string;
  readonly settings: RateSettings;
  readonly log: Logger;
  /** Another daemon set the rate. */
  readonly onSettings: (settings: RateSettings) => void;
  /** `trouble()` has changed. */
  readonly onTrouble: () => void;
}

/**
 * The tokens of several processes, in one Redis, by Bottleneck's clustering. The reservoir is filled by Bottleneck's
 * script in Redis, which loses nothing: it counts whole intervals since the last refill, whoever asks. It asks for
 * nothing by itself but each 5 s, so whoever waits asks when there should be enough.
 *
 * Times in Redis are those of the daemon that asks: their clocks must be together within a second or so (NTP). One
 * that runs ahead does not make the rate higher, it only leaves the others waiting for it.
 *
 * The rate stands beside Bottleneck's settings, with the time of its change: a daemon that was away for a while, or a
 * Redis that came back empty, gets the newest one.
 */
export class SharedBucket implements Bucket {
  readonly #options: SharedBucketOptions;
  readonly #client: Redis;
  readonly #connection: Bottleneck.IORedisConnection;
  readonly #turns = new Turns();
  readonly #looking: NodeJS.Timeout;
  #limiter: Bottleneck;
  #shared: SharedSettings;
  #plan: RatePlan;
  #trouble: RedisTrouble | null = 'away';
  /** The settings in Redis are known to be ours. */
  #written = false;
  #timeouts = 0;
  #level = 0;
  #levelAt = 0;
  #closed = false;

  constructor(options: SharedBucketOptions) {
    this.#options = options;
    this.#shared = { settings: options.settings, changedAt: Date.now() };
    this.#plan = planFor(options.settings);
    this.#client = openRedis(options.url);
    this.#client.on('error', (error) => this.#inTrouble(error));
    this.#client.on('close', () => this.#inTrouble(null));
    this.#client.on('ready', () => void this.#look());
    // Bottleneck passes on what its clients say.
    this.#connection = new Bottleneck.IORedisConnection({ client: this.#client });
    this.#connection.on('error', () => undefined);
    this.#limiter = this.#newLimiter();
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
    }
  }

  knownLevel(): number {
    const { perSecond, reservoir } = this.#plan;
    if (perSecond === null) return Infinity;
    return Math.min(reservoir, this.#level + ((Date.now() - this.#levelAt) * perSecond) / 1000);
  }

  async level(): Promise<number> {
    return this.#guarded(async () => {
      const reservoir = await this.#limiter.currentReservoir();
      this.#level = reservoir === null ? Infinity : reservoir / UNITS;
      this.#levelAt = Date.now();
      return this.#level;
    });
  }

  async tryTake(tokens: number): Promise<Ticket | null> {
    const limiter = this.#limiter;
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
    await this.#guarded(() => this.#limiter.incrementReservoir(units(Math.min(tokens, room))));
  }

  /** @throws SharedLimiterError when Redis is away; the settings are written when it is back */
  async apply(settings: RateSettings): Promise<void> {
    const changedAt = Math.max(Date.now(), this.#shared.changedAt + 1);
    this.#adopt({ settings, changedAt });
    await this.#turns.take(() => this.#write());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#looking);
    await this.#limiter.disconnect(false).catch(() => undefined);
    await this.#connection.disconnect(false);
  }

  get #key(): string {
    return `pixl_rate_${this.#options.name}`;
  }

  #newLimiter(): Bottleneck {
    const limiter = new Bottleneck({
      ...YES_OR_NO,
      ...bottleneckSettings(this.#plan),
      // Bottleneck begins with this when Redis knows nothing of the limiter: empty.
      reservoir: this.#plan.perSecond === null ? null : 0,
      id: `pixl_rate_${this.#options.name}`,
      connection: this.#connection,
    });
    limiter.on('error', (error) => this.#inTrouble(error));
    limiter.ready().catch(() => undefined);
    return limiter;
  }

  /** With a limiter that remembers nothing of what was not answered. Its tokens are in Redis. */
  #renew(): void {
    const old = this.#limiter;
    this.#limiter = this.#newLimiter();
    void old.stop({ dropWaitingJobs: true }).catch(() => undefined);
    void old.disconnect(false).catch(() => undefined);
  }

  /** Is Redis there, and is there a newer rate? */
  async #look(): Promise<void> {
    if (this.#closed || this.#client.status !== 'ready') return;
    await this.#turns
      .take(async () => {
        const text = await this.#client.get(this.#key);
        this.#timeouts = 0;
        const there = sharedSettingsOf(text);
        const newer = there !== null && there.changedAt > this.#shared.changedAt ? there : null;
        if (newer !== null) {
          this.#adopt(newer);
          this.#options.onSettings(newer.settings);
        }
        const same = there !== null && there.changedAt === this.#shared.changedAt;
        if (!this.#written || !same) await this.#write();
      })
      .catch((error: unknown) => this.#inTrouble(error));
  }

  #adopt(shared: SharedSettings): void {
    this.#shared = shared;
    this.#plan = planFor(shared.settings);
    this.#written = false;
  }

  /** Twice the same is no harm. */
  async #write(): Promise<void> {
    const shared = this.#shared;
    try {
      if (this.#client.status !== 'ready') throw new SharedLimiterError('Redis is away', 'later');
      await within(this.#limiter.ready(), STUCK_MS);
      const held = await this.#limiter.currentReservoir();
      const wasUnlimited = held === null;
      const { perSecond, reservoir } = this.#plan;
      await this.#limiter.updateSettings({
        ...bottleneckSettings(this.#plan),
        ...(perSecond === null ? { reservoir: null } : wasUnlimited ? { reservoir: 0 } : {}),
      });
      // By a difference and not by a value: what another daemon takes meanwhile stays taken.
      if (perSecond !== null && held !== null && held > units(reservoir))
        await this.#limiter.incrementReservoir(units(reservoir) - held);
      await this.#client.set(this.#key, JSON.stringify(shared));
    } catch (error) {
      this.#inTrouble(error);
      const refused = troubleOf(error) === 'refused';
      throw new SharedLimiterError(
        refused ? 'Redis refuses the user name or password' : 'Redis is away',
        refused ? 'never' : 'later',
        error,
      );
    }
    this.#written = shared === this.#shared;
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
      this.#client.disconnect(true);
    }
    const trouble = troubleOf(error);
    this.#written = false;
    // A connection that closes after a refusal closes because of it.
    if (this.#trouble === trouble || (this.#trouble === 'refused' && error === null)) return;
    this.#trouble = trouble;
    const reason = this.trouble() ?? '';
    this.#options.log.warn({ operation: 'rate', archive: this.#options.name, reason }, 'nothing is admitted');
    this.#options.onTrouble();
  }
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

function sharedSettingsOf(text: string | null): SharedSettings | null {
  if (text === null) return null;
  try {
    const { settings, changedAt } = JSON.parse(text) as SharedSettings;
    if (!Number.isFinite(changedAt) || (settings.unit !== 'image' && settings.unit !== 'study')) return null;
    return { settings: checkSettings(settings), changedAt };
  } catch {
    return null;
  }
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

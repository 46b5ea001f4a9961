import { expect } from 'chai';
import fc from 'fast-check';
import { silentLogger } from '../../../src/core/log.js';
import { createRateLimiter, SharedLimiterError, type Rate } from '../../../src/core/rate-limiter/index.js';
import { DatabaseUnavailableError } from '../../../src/core/db/errors.js';
import { Rates, type RateStore } from '../../../src/core/rates.js';
import { savedFor, withRate, type SavedRates } from '../../../src/core/saved-rates.js';
import { eventually } from '../../support/eventually.js';
import { startRedis, type RedisServer } from '../../support/redis.js';

const QUEUES = ['primary', 'secondary'] as const;
type Queue = (typeof QUEUES)[number];
const CONFIGURED = 5;

type Command =
  | { readonly kind: 'set'; readonly at: 0 | 1; readonly rate: Rate; readonly queue: Queue | null }
  | { readonly kind: 'restart'; readonly at: 0 | 1 }
  | { readonly kind: 'redis' | 'database'; readonly isThere: boolean };

/** A rate and how many were set before it; the same in each place that has it. */
interface Version {
  readonly number: number;
  readonly rate: Rate;
}

type Versions = Record<Queue, Version>;

const never: Version = { number: 0, rate: CONFIGURED };
const nothing = (): Versions => ({ primary: never, secondary: never });

/** A database in memory that can be away. */
class Store implements RateStore {
  isThere = true;
  saved: SavedRates = { all: null, queues: {} };

  load(): Promise<SavedRates> {
    return this.isThere ? Promise.resolve(this.saved) : Promise.reject(away());
  }

  save(rates: Parameters<RateStore['save']>[0]): Promise<void> {
    if (!this.isThere) return Promise.reject(away());
    this.saved = rates.reduce(withRate, this.saved);
    return Promise.resolve();
  }
}

const away = (): Error => new DatabaseUnavailableError('the database is away');

/** Where the newest rate is, and where it comes next: as plain as it can be said. */
class Model {
  redis: Versions | null = nothing();
  isRedisThere = true;
  isStoreThere = true;
  store = nothing();
  /** null: it waits for the database before it starts. */
  readonly daemons: (Versions | null)[] = [nothing(), nothing()];
  #last = 0;

  /** @returns whether it is in force */
  set(at: number, rate: Rate, queue: Queue | null): boolean {
    const daemon = this.daemons[at] ?? null;
    if (daemon === null) return true; // nobody was asked
    if (rate !== 0 && !(this.isRedisThere && this.isStoreThere)) return false;
    const version = { number: (this.#last += 1), rate };
    for (const one of queue === null ? QUEUES : [queue]) {
      daemon[one] = version;
      // Said to Redis at once, also where Redis has forgotten everything and the database is away.
      if (this.isRedisThere) this.redis = { ...(this.redis ?? nothing()), [one]: version };
      if (this.isRedisThere) this.#known.add(one);
    }
    this.spread();
    return true;
  }

  /** The queues of which Redis has something. */
  readonly #known = new Set<Queue>(QUEUES);

  restart(at: number): void {
    this.daemons[at] = this.isStoreThere ? { ...this.store } : null;
    this.spread();
  }

  setRedis(isThere: boolean): void {
    if (isThere === this.isRedisThere) return;
    this.isRedisThere = isThere;
    this.redis = isThere ? nothing() : null;
    this.#known.clear();
    this.spread();
  }

  setStore(isThere: boolean): void {
    this.isStoreThere = isThere;
    for (const [at, daemon] of this.daemons.entries())
      if (daemon === null && isThere) this.daemons[at] = { ...this.store };
    this.spread();
  }

  spread(): void {
    const alive = this.daemons.filter((daemon) => daemon !== null);
    for (const queue of QUEUES) {
      if (this.isRedisThere && (this.#known.has(queue) || this.isStoreThere)) {
        const newest = [this.redis!, ...(this.#known.has(queue) ? [] : [this.store]), ...alive]
          .map((versions) => versions[queue])
          .reduce((one, other) => (other.number > one.number ? other : one));
        for (const versions of alive) versions[queue] = newest;
        if (alive.length > 0) {
          this.redis![queue] = newest;
          this.#known.add(queue);
        }
      }
      if (this.isStoreThere)
        for (const versions of alive)
          if (versions[queue].number > this.store[queue].number) this.store[queue] = versions[queue];
    }
  }
}

const at = fc.constantFrom(0 as const, 1 as const);
const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('set' as const),
        at,
        rate: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 99 }), fc.constant('unlimited' as const)),
        queue: fc.constantFrom(null, ...QUEUES),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const), at }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('redis' as const, 'database' as const),
        isThere: fc.boolean(),
      }),
    },
  ),
  { minLength: 4, maxLength: 12 },
);

describe('The rate, over any sequence of sets, restarts, and outages of Redis and the database', () => {
  let redis: RedisServer;
  let isRedisThere: boolean;
  let store: Store;
  let daemons: (Running | null)[];

  interface Running {
    readonly rates: Rates;
    /** Redis can be asked. */
    isConnected(): boolean;
    close(): Promise<void>;
  }

  async function start(): Promise<Running | null> {
    if (!store.isThere) return null;
    const limiters = new Map(
      await Promise.all(
        QUEUES.map(async (name) => {
          const options = { name, rate: CONFIGURED, capacity: null, unit: 'image' } as const;
          return [
            name,
            await createRateLimiter({ ...options, redisUrl: redis.url, log: silentLogger }),
          ] as const;
        }),
      ),
    );
    const rates = new Rates(limiters, store, silentLogger);
    await rates.restore();
    return {
      rates,
      isConnected: () =>
        [...limiters.values()].every((limiter) => !/Redis is away/.test(limiter.state().reason ?? '')),
      close: async () => {
        await rates.close();
        for (const limiter of limiters.values()) await limiter.close();
      },
    };
  }

  async function run(command: Command, model: Model): Promise<void> {
    switch (command.kind) {
      case 'set': {
        const { rate, queue } = command;
        const expected = model.set(command.at, rate, queue);
        const isSet = await daemons[command.at]?.rates.set(rate, queue).then(
          () => true,
          (error: unknown) => {
            if (error instanceof SharedLimiterError || error instanceof DatabaseUnavailableError)
              return false;
            throw error;
          },
        );
        expect(isSet ?? true, 'whether it is in force').to.equal(expected);
        break;
      }
      case 'restart':
        await daemons[command.at]?.close();
        daemons[command.at] = await start();
        model.restart(command.at);
        break;
      case 'redis':
        if (command.isThere !== isRedisThere) await (command.isThere ? redis.start() : redis.stop());
        isRedisThere = command.isThere;
        model.setRedis(command.isThere);
        break;
      case 'database':
        store.isThere = command.isThere;
        for (const [index, daemon] of daemons.entries()) if (daemon === null) daemons[index] = await start();
        model.setStore(command.isThere);
    }
  }

  /** What is said and what is stored is what the model says, sooner or later. */
  async function holds(model: Model, after: string): Promise<void> {
    await eventually(
      () => {
        for (const daemon of daemons)
          if (daemon !== null)
            expect(daemon.isConnected(), `connected after ${after}`).to.equal(isRedisThere);
        for (const queue of QUEUES) {
          for (const [index, daemon] of daemons.entries())
            expect(daemon?.rates.get(queue), `${queue} at ${index} after ${after}`).to.equal(
              model.daemons[index]?.[queue].rate,
            );
          const { number, rate } = model.store[queue];
          expect(savedFor(store.saved, queue)?.rate, `${queue} in the database after ${after}`).to.equal(
            number === 0 ? undefined : rate,
          );
        }
      },
      { timeoutMs: 20_000 },
    );
  }

  it('is what was set last, and none that was overruled comes back', async function () {
    this.timeout(300_000);
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        redis = await startRedis();
        isRedisThere = true;
        store = new Store();
        daemons = [await start(), await start()];
        const model = new Model();
        try {
          await holds(model, 'the start');
          for (const [index, command] of sequence.entries()) {
            await run(command, model);
            await holds(model, JSON.stringify(sequence.slice(0, index + 1)));
          }
        } finally {
          for (const daemon of daemons) await daemon?.close();
          await redis.close();
        }
      }),
      { numRuns: Number(process.env['RATE_MODEL_RUNS'] ?? 8), endOnFailure: true },
    );
  });
});

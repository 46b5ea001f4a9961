import { expect } from 'chai';
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/log.js';
import {
  createRateLimiter,
  SharedLimiterError,
  type RateLimiter,
  type RateLimiterOptions,
} from '../../src/core/rate-limiter/index.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { delaysBetween, VirtualArchive, worstExcess } from '../support/virtual-archive.js';

const AWAY = 'shared limiter: Redis is away';
const LOADED = 0.8;
const forever = new AbortController().signal;

describe('the image rate of several daemons on one Redis', () => {
  let redis: RedisServer;
  const open: RateLimiter[] = [];
  const lines: string[] = [];
  const keep = (fields: object, message: string): void => {
    lines.push(`${JSON.stringify(fields)} ${message}`);
  };
  const log: Logger = { debug: keep, info: keep, warn: keep, error: keep };

  async function daemon(options: Partial<RateLimiterOptions> = {}): Promise<RateLimiter> {
    const limiter = await createRateLimiter({
      name: 'primary',
      rate: 40,
      capacity: null,
      unit: 'image',
      redisUrl: redis.url,
      log,
      ...options,
    });
    open.push(limiter);
    return limiter;
  }

  async function ready(...limiters: readonly RateLimiter[]): Promise<void> {
    await eventually(() => {
      for (const limiter of limiters) expect(limiter.state().reason).to.equal(null);
    });
  }

  async function busy(
    limiter: RateLimiter,
    archive: VirtualArchive,
    lanes: readonly number[],
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.all(
      lanes.map(async (images) => {
        try {
          for (;;) await archive.retrieve(limiter, images, signal);
        } catch (error) {
          if (!(error instanceof CancelledError)) throw error;
        }
      }),
    );
  }

  beforeEach(async () => {
    redis = await startRedis('s3cret');
    lines.length = 0;
  });

  afterEach(async () => {
    try {
      for (const limiter of open.splice(0)) await limiter.close();
    } finally {
      await redis.close();
    }
  });

  it('is never above the cap together, and reaches it', async () => {
    const together = async (rate: number): Promise<void> => {
      const name = `archive-${rate}`;
      const [a, b] = [await daemon({ name, rate }), await daemon({ name, rate })];
      await ready(a, b);
      const archives = [
        new VirtualArchive(delaysBetween(5, 100)),
        new VirtualArchive(delaysBetween(5, 100, 2)),
      ];
      const stop = AbortSignal.timeout(6_000);
      await Promise.all([busy(a, archives[0]!, [1e6, 1e6], stop), busy(b, archives[1]!, [1e6, 1, 1], stop)]);
      const arrivals = archives.flatMap((archive) => archive.arrivals);
      const images = archives.reduce((sum, archive) => sum + archive.images, 0);
      expect(worstExcess(arrivals, rate, rate), `${rate}/s`).to.be.at.most(0);
      expect(images, `${rate}/s`).to.be.at.least(LOADED * 6 * rate);
      for (const archive of archives) expect(archive.images, `${rate}/s`).to.be.at.least(0.15 * images);
    };
    await Promise.all([5, 50, 200].map(together));
  });

  it('keeps single images apart over both', async () => {
    const [a, b] = [await daemon({ rate: 1 }), await daemon({ rate: 1 })];
    await ready(a, b);
    const archives = [new VirtualArchive(() => 30), new VirtualArchive(() => 60)];
    const stop = AbortSignal.timeout(6_000);
    await Promise.all([busy(a, archives[0]!, [1e6], stop), busy(b, archives[1]!, [1e6], stop)]);
    const arrivals = archives.flatMap((archive) => archive.arrivals);
    expect(worstExcess(arrivals, 1, 1)).to.be.at.most(0);
    expect(arrivals.length).to.be.at.least(4);
  });

  it('takes the rate that any of them sets, 0 and unlimited as well', async () => {
    const [a, b] = [await daemon(), await daemon()];
    await ready(a, b);
    const archive = new VirtualArchive(() => 5);
    const stop = new AbortController();
    const work = busy(b, archive, [1e6], stop.signal);
    await sleep(500);
    await a.setRate(0);
    await sleep(400);
    const before = archive.images;
    await sleep(600);
    expect(archive.images).to.equal(before);
    expect(b.state()).to.include({ rate: 0, paused: true, reason: 'the rate is 0' });
    await b.setRate('unlimited');
    await eventually(() => expect(archive.batches.at(-1)).to.be.greaterThan(900_000));
    await a.setRate(20);
    await eventually(() => expect(b.settings().rate).to.equal(20));
    stop.abort();
    await work;
    const after = new VirtualArchive(() => 5);
    await Promise.all([
      busy(a, after, [1e6], AbortSignal.timeout(3_000)),
      busy(b, after, [1e6], AbortSignal.timeout(3_000)),
    ]);
    expect(worstExcess(after.arrivals, 20, 20)).to.be.at.most(0);
    expect(after.images).to.be.at.least(LOADED * 40);
  });

  it('holds on while Redis is away, says so, and comes back by itself with the rate that was set last', async () => {
    const [a, b] = [await daemon(), await daemon()];
    await ready(a, b);
    let told = 0;
    b.onChange(() => (told += 1));
    await a.setRate(30);
    await eventually(() => expect(b.settings().rate).to.equal(30));
    const archive = new VirtualArchive(delaysBetween(5, 50));
    const stop = new AbortController();
    const work = Promise.all([busy(a, archive, [1e6], stop.signal), busy(b, archive, [1e6, 1], stop.signal)]);
    await sleep(1_500);
    await redis.stop();
    await eventually(() => expect(b.state()).to.include({ paused: true, reason: AWAY, empty: true }));
    await sleep(200);
    const before = archive.images;
    const failure = await a.setRate(20).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(SharedLimiterError);
    expect((failure as SharedLimiterError).retry).to.equal('later');
    await sleep(1_500);
    expect(archive.images).to.equal(before);
    // It comes back empty: neither Bottleneck's settings nor ours are in it.
    await redis.start();
    await ready(a, b);
    await eventually(() => expect(b.settings().rate).to.equal(20));
    const resumed = archive.images;
    await sleep(3_000);
    stop.abort();
    await work;
    expect(archive.images - resumed).to.be.at.least(LOADED * 20 * 2.5);
    expect(worstExcess(archive.arrivals, 30, 30)).to.be.at.most(0);
    expect(told).to.be.at.least(3);
  });

  it('comes back after the connection was cut, and after it hung', async function () {
    const [a, b] = [await daemon({ redisUrl: redis.proxyUrl }), await daemon()];
    await ready(a, b);
    const archive = new VirtualArchive(delaysBetween(5, 50));
    const stop = new AbortController();
    const work = Promise.all([
      busy(a, archive, [1e6, 1e6], stop.signal),
      busy(b, archive, [1e6], stop.signal),
    ]);
    await sleep(500);
    redis.proxy.cut();
    await sleep(1_000);
    await ready(a);
    redis.proxy.freeze();
    await eventually(() => expect(a.state().reason).to.equal(AWAY));
    const mine = archive.images;
    await sleep(500);
    expect(archive.images).to.be.greaterThan(mine); // the other goes on
    redis.proxy.thaw();
    await eventually(() => expect(a.state().reason).to.equal(null));
    stop.abort();
    await work;
    const after = new VirtualArchive(() => 5);
    await busy(a, after, [1e6], AbortSignal.timeout(3_000));
    expect(after.images).to.be.at.least(20);
    expect(worstExcess([...archive.arrivals, ...after.arrivals], 40, 40)).to.be.at.most(0);
  });

  it('lives on when Redis forgets it', async () => {
    const a = await daemon();
    await ready(a);
    const admin = new Redis(redis.url);
    try {
      await admin.flushall();
    } finally {
      admin.disconnect();
    }
    const archive = new VirtualArchive(() => 5);
    await busy(a, archive, [1e6], AbortSignal.timeout(3_000));
    expect(archive.images).to.be.at.least(60);
    expect(worstExcess(archive.arrivals, 40, 40)).to.be.at.most(0);
  });

  it('a daemon that starts brings its rate along, and waits when Redis is away at the start', async () => {
    const a = await daemon({ rate: 10 });
    await ready(a);
    await redis.stop();
    const b = await daemon({ rate: 33 });
    expect(b.state()).to.include({ reason: AWAY, shared: true });
    const archive = new VirtualArchive(() => 5);
    const work = archive.retrieve(b, 5, forever);
    await redis.start();
    await work;
    await eventually(() => expect(a.settings().rate).to.equal(33));
  });

  it('refuses to start when Redis refuses the password, and shows it nowhere', async () => {
    const wrong = redis.url.replace('s3cret', 'wr0ng');
    const failure = (await daemon({ redisUrl: wrong }).catch(
      (error: unknown) => error,
    )) as SharedLimiterError;
    expect(failure).to.be.instanceOf(SharedLimiterError);
    expect(failure.retry).to.equal('never');
    expect(failure.message).to.equal('shared limiter: Redis refuses the user name or password');
    const none = await daemon({ redisUrl: redis.url.replace(':s3cret@', '') }).catch(
      (error: unknown) => error,
    );
    expect(none).to.be.instanceOf(SharedLimiterError);
    expect(`${failure.stack ?? ''} ${lines.join('\n')}`).not.to.match(/wr0ng|s3cret|redis:\/\//);
  });

  it('gives up what a limiter waits for when it is closed', async () => {
    const a = await daemon({ rate: 0.01 });
    await ready(a);
    const waiting = a.admitImages(1, forever, () => Promise.resolve()).catch((error: unknown) => error);
    await sleep(100);
    await a.close();
    expect(await waiting).to.be.instanceOf(CancelledError);
    await redis.stop();
    const b = await daemon();
    await b.close();
  });
});

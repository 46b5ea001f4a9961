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
import {
  delaysBetween,
  imagesOf,
  VirtualArchive,
  worstExcess,
  type Arrival,
} from '../support/virtual-archive.js';

const AWAY = 'shared limiter: Redis is away';
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

  type Busy = readonly [limiter: RateLimiter, archive: VirtualArchive, lanes: readonly number[]];

  /** Keeps archives busy until so many images have come. @returns when they came */
  async function busyUntil(images: number, ...work: readonly Busy[]): Promise<readonly Arrival[]> {
    const stop = new AbortController();
    const all = work.map(([limiter, archive, lanes]) => archive.keepBusy(limiter, lanes, stop.signal));
    const archives = new Set(work.map(([, archive]) => archive));
    const came = (): readonly Arrival[] => [...archives].flatMap(({ arrivals }) => arrivals);
    try {
      await eventually(() => expect(imagesOf(came()), 'images').to.be.at.least(images), {
        timeoutMs: 60_000,
      });
    } finally {
      stop.abort();
      await Promise.all(all);
    }
    return came();
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

  it('is never above the cap together, and serves both', async () => {
    const together = async (rate: number): Promise<void> => {
      const name = `archive-${rate}`;
      const [a, b] = [await daemon({ name, rate }), await daemon({ name, rate })];
      await ready(a, b);
      const archives = [
        new VirtualArchive(delaysBetween(5, 100)),
        new VirtualArchive(delaysBetween(5, 100, 2)),
      ] as const;
      const arrivals = await busyUntil(5 * rate, [a, archives[0], [1e6, 1e6]], [b, archives[1], [1e6, 1, 1]]);
      expect(worstExcess(arrivals, rate, rate), `${rate}/s`).to.be.at.most(0);
      for (const { images } of archives) expect(images, `${rate}/s`).to.be.at.least(0.75 * rate);
    };
    await Promise.all([5, 50, 200].map(together));
  });

  it('keeps single images apart over both', async () => {
    const [a, b] = [await daemon({ rate: 1 }), await daemon({ rate: 1 })];
    await ready(a, b);
    const archives = [new VirtualArchive(() => 30), new VirtualArchive(() => 60)] as const;
    const arrivals = await busyUntil(5, [a, archives[0], [1e6]], [b, archives[1], [1e6]]);
    expect(worstExcess(arrivals, 1, 1)).to.be.at.most(0);
  });

  it('takes the rate that any of them sets, 0 and unlimited as well', async () => {
    const [a, b] = [await daemon(), await daemon()];
    await ready(a, b);
    const archive = new VirtualArchive(() => 5);
    const stop = new AbortController();
    const work = archive.keepBusy(b, [1e6], stop.signal);
    await eventually(() => expect(archive.images).to.be.at.least(10));
    await a.setRate(0);
    await eventually(() => expect(b.state()).to.include({ rate: 0, paused: true, reason: 'the rate is 0' }));
    await eventually(() => expect(archive.underWay).to.equal(0));
    const before = archive.images;
    await sleep(600);
    expect(archive.images).to.equal(before);
    await b.setRate('unlimited');
    await eventually(() => expect(archive.batches.at(-1)).to.be.greaterThan(900_000));
    await a.setRate(20);
    await eventually(() => expect(b.settings().rate).to.equal(20));
    stop.abort();
    await work;
    const after = new VirtualArchive(() => 5);
    const arrivals = await busyUntil(60, [a, after, [1e6]], [b, after, [1e6]]);
    expect(worstExcess(arrivals, 20, 20)).to.be.at.most(0);
  });

  it('holds on while Redis is away, says so, takes no other rate but 0, and comes back by itself with the rate that it held', async () => {
    const [a, b] = [await daemon(), await daemon()];
    await ready(a, b);
    let told = 0;
    b.onChange(() => (told += 1));
    await a.setRate(30);
    await eventually(() => expect(b.settings().rate).to.equal(30));
    const archive = new VirtualArchive(delaysBetween(5, 50));
    const stop = new AbortController();
    const work = Promise.all([
      archive.keepBusy(a, [1e6], stop.signal),
      archive.keepBusy(b, [1e6, 1], stop.signal),
    ]);
    await eventually(() => expect(archive.images).to.be.at.least(40));
    await redis.stop();
    await eventually(() => expect(b.state()).to.include({ paused: true, reason: AWAY, empty: true }));
    await eventually(() => expect(a.state().reason).to.equal(AWAY));
    await eventually(() => expect(archive.underWay).to.equal(0));
    const before = archive.images;
    const failure = await a.setRate(20).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(SharedLimiterError);
    expect((failure as SharedLimiterError).retry).to.equal('later');
    expect(a.settings().rate).to.equal(30);
    await sleep(1_000);
    expect(archive.images).to.equal(before);
    // It comes back empty: neither Bottleneck's settings nor ours are in it.
    await redis.start();
    await ready(a, b);
    for (const one of [a, b]) expect(one.settings().rate).to.equal(30);
    await eventually(() => expect(archive.images).to.be.at.least(before + 60));
    stop.abort();
    await work;
    expect(worstExcess(archive.arrivals, 30, 30)).to.be.at.most(0);
    expect(told).to.be.at.least(3);
  });

  it('is filled by the rate that holds, also when a daemon died between saying it and filling by it', async () => {
    const a = await daemon({ rate: 10 });
    await ready(a);
    const filling = (): Promise<(string | null)[]> =>
      admin.hmget('b_pixl_rate_primary_settings', 'reservoirIncreaseInterval', 'reservoirIncreaseAmount');
    const admin = new Redis(redis.url);
    try {
      const sound = await filling();
      await admin.hset('b_pixl_rate_primary_settings', 'reservoirIncreaseAmount', '999999');
      await eventually(async () => expect(await filling()).to.deep.equal(sound));
    } finally {
      admin.disconnect();
    }
  });

  it('comes back after the connection was cut, and after it hung', async () => {
    const [a, b] = [await daemon({ redisUrl: redis.proxyUrl }), await daemon()];
    await ready(a, b);
    const archive = new VirtualArchive(delaysBetween(5, 50));
    const stop = new AbortController();
    const work = Promise.all([
      archive.keepBusy(a, [1e6, 1e6], stop.signal),
      archive.keepBusy(b, [1e6], stop.signal),
    ]);
    await eventually(() => expect(archive.images).to.be.at.least(20));
    redis.proxy.cut();
    await eventually(() => expect(a.state().reason).to.equal(AWAY));
    await ready(a);
    redis.proxy.freeze();
    await eventually(() => expect(a.state().reason).to.equal(AWAY));
    const both = archive.images;
    await eventually(() => expect(archive.images, 'the other goes on').to.be.at.least(both + 20));
    redis.proxy.thaw();
    await eventually(() => expect(a.state().reason).to.equal(null));
    stop.abort();
    await work;
    const after = new VirtualArchive(() => 5);
    const arrivals = await busyUntil(20, [a, after, [1e6]]);
    expect(worstExcess([...archive.arrivals, ...arrivals], 40, 40)).to.be.at.most(0);
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
    expect(worstExcess(await busyUntil(60, [a, archive, [1e6]]), 40, 40)).to.be.at.most(0);
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

import { expect } from 'chai';
import fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError, InvalidValueError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/log.js';
import {
  createRateLimiter,
  planFor,
  type RateLimiter,
  type RateLimiterOptions,
} from '../../src/core/rate-limiter/index.js';
import { refillOf } from '../../src/core/rate-limiter/shared-bucket.js';
import { Turns } from '../../src/core/rate-limiter/turns.js';
import { eventually } from '../support/eventually.js';
import { delaysBetween, meanRate, VirtualArchive, worstExcess } from '../support/virtual-archive.js';

/** What a loaded machine may cost; the bound above has no tolerance. */
const LOADED = 0.85;

const forever = new AbortController().signal;

function limiterOf(options: Partial<RateLimiterOptions> = {}): Promise<RateLimiter> {
  return createRateLimiter({
    name: 'primary',
    rate: 5,
    capacity: null,
    unit: 'image',
    log: silentLogger,
    ...options,
  });
}

async function withLimiter(
  options: Partial<RateLimiterOptions>,
  work: (limiter: RateLimiter) => Promise<void>,
): Promise<void> {
  const limiter = await limiterOf(options);
  try {
    await work(limiter);
  } finally {
    await limiter.close();
  }
}

/** Retrieves studies of these sizes, each lane one after the other, until it is stopped. */
async function keepBusy(
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

const WORKLOADS = { 'one big study': [1e6], 'small studies': [1, 1], 'both at once': [1e6, 1] } as const;

describe('the image rate', () => {
  for (const delays of [
    [5, 10],
    [5, 300],
  ] as const) {
    it(`never lets out more than rate × window + capacity, and no less than it may (${delays.join('–')} ms)`, async function () {
      const seconds = 6;
      const runs = [1, 5, 50, 200].flatMap((rate) =>
        Object.entries(WORKLOADS).map(async ([name, lanes]) => {
          const archive = new VirtualArchive(delaysBetween(delays[0], delays[1]));
          const begun = performance.now();
          await withLimiter({ rate }, async (limiter) => {
            const stop = AbortSignal.timeout(seconds * 1000);
            await keepBusy(limiter, archive, lanes, stop);
          });
          const ended = begun + seconds * 1000;
          const text = `${rate}/s, ${name}`;
          expect(worstExcess(archive.arrivals, rate, Math.max(1, rate)), text).to.be.at.most(0);
          // Two lanes of single images cannot do more than two per delay, and a short run is cut at an image.
          const possible =
            name === 'small studies' ? (2 * 1000) / ((delays[0] + delays[1]) / 2 + 10) : Infinity;
          const lost = rate === 1 ? delays[1] / 1000 : 0;
          const mean =
            meanRate(archive.arrivals, begun, ended) +
            (1 + planFor({ rate, capacity: null, unit: 'image' }).largestBatch) / seconds;
          expect(mean, text).to.be.at.least((LOADED - lost) * Math.min(rate, possible));
        }),
      );
      await Promise.all(runs);
    });
  }

  it('holds for any capacity, small ones too', async () => {
    await Promise.all(
      [1, 1.5, 2, 3, 7, 40].map(async (capacity) => {
        const archive = new VirtualArchive(delaysBetween(5, 120));
        await withLimiter({ rate: 20, capacity }, (limiter) =>
          keepBusy(limiter, archive, [1e6, 3], AbortSignal.timeout(3_000)),
        );
        expect(archive.images, `capacity ${capacity}`).to.be.at.least(10);
        expect(worstExcess(archive.arrivals, 20, capacity), `capacity ${capacity}`).to.be.at.most(0);
      }),
    );
  });

  it('counts fractions', async () => {
    const archive = new VirtualArchive(() => 20);
    await withLimiter({ rate: 1.25 }, (limiter) =>
      keepBusy(limiter, archive, [1e6], AbortSignal.timeout(5_000)),
    );
    expect(worstExcess(archive.arrivals, 1.25, 1.25)).to.be.at.most(0);
    expect(archive.images).to.be.within(5, 7);
  });

  it('lets a burst through after a rest, and no more than the capacity', async () => {
    await withLimiter({ rate: 10, capacity: 20 }, async (limiter) => {
      await sleep(1_500);
      const archive = new VirtualArchive(() => 1);
      const begun = performance.now();
      await keepBusy(limiter, archive, [1e6], AbortSignal.timeout(400));
      expect(Math.round(meanRate(archive.arrivals, begun, begun + 400) * 0.4)).to.be.at.least(10);
      expect(worstExcess(archive.arrivals, 10, 20)).to.be.at.most(0);
    });
  });

  it('begins empty, so that starting again and again is no way around it', async () => {
    await withLimiter({ rate: 5 }, (limiter) => {
      expect(limiter.state().available).to.be.below(1);
      expect(limiter.state().empty).to.equal(true);
      return Promise.resolve();
    });
  });

  it('keeps the archive asked for half as much when it takes half a second over a batch', async () => {
    // Little's law: with half of the capacity in flight the full rate is reached up to half a second.
    const archive = new VirtualArchive(() => 450);
    await withLimiter({ rate: 40 }, async (limiter) => {
      await keepBusy(limiter, archive, [1e6, 1e6], AbortSignal.timeout(5_000));
    });
    expect(archive.images).to.be.at.least(LOADED * 40 * 4.2);
    expect(worstExcess(archive.arrivals, 40, 40)).to.be.at.most(0);
  });

  describe('when the rate changes', () => {
    it('is in force within a second each time, in the middle of a study', async function () {
      const archive = new VirtualArchive(delaysBetween(5, 60));
      const changes: { readonly at: number; readonly rate: number }[] = [];
      await withLimiter({ rate: 5 }, async (limiter) => {
        changes.push({ at: performance.now(), rate: 5 });
        const stop = new AbortController();
        const work = keepBusy(limiter, archive, [1e6, 1], stop.signal);
        for (const rate of [50, 0, 20, 2]) {
          await sleep(2_000);
          changes.push({ at: performance.now(), rate });
          await limiter.setRate(rate);
        }
        await sleep(2_000);
        stop.abort();
        await work;
        changes.push({ at: performance.now(), rate: 0 });
      });
      for (const [index, { at, rate }] of changes.slice(0, -1).entries()) {
        const settled = archive.arrivals.filter(
          (arrival) => arrival.at >= at + (index === 0 ? 0 : 1000) && arrival.at < changes[index + 1]!.at,
        );
        const images = settled.reduce((sum, arrival) => sum + arrival.images, 0);
        const seconds = (changes[index + 1]!.at - at) / 1000 - (index === 0 ? 0 : 1);
        expect(images, `at ${rate}/s`).to.be.within(
          Math.floor(LOADED * rate * seconds - 2),
          rate * seconds + Math.max(rate, rate === 0 ? 0 : 1),
        );
        expect(worstExcess(settled, rate, Math.max(1, rate))).to.be.at.most(0);
      }
    });

    it('plans anew who waits for long', async () => {
      await withLimiter({ rate: 0.1 }, async (limiter) => {
        const archive = new VirtualArchive(() => 1);
        const work = archive.retrieve(limiter, 5, forever);
        await sleep(100);
        expect(archive.images).to.equal(0);
        const begun = performance.now();
        await limiter.setRate(50);
        await work;
        expect(performance.now() - begun).to.be.below(1_000);
      });
    });

    it('plans anew who waits for the distance between single images', async () => {
      await withLimiter({ rate: 1 }, async (limiter) => {
        const archive = new VirtualArchive(() => 1);
        await archive.retrieve(limiter, 1, forever);
        await limiter.setRate(0.05);
        const work = archive.retrieve(limiter, 2, forever);
        await sleep(50);
        await limiter.setRate(100);
        const begun = performance.now();
        await work;
        expect(performance.now() - begun).to.be.below(1_000);
      });
    });

    it('gives a waiter what fits the new rate', async () => {
      await withLimiter({ rate: 200 }, async (limiter) => {
        await limiter.setRate(0);
        const admitted = limiter.admitImages(600, forever, (admission) => Promise.resolve(admission.images));
        await sleep(20);
        await limiter.setRate(8);
        expect(await admitted).to.equal(2);
      });
    });

    it('stops at 0 and says so', async () => {
      await withLimiter({ rate: 50 }, async (limiter) => {
        let told = 0;
        limiter.onChange(() => (told += 1));
        await sleep(200);
        await limiter.setRate(0);
        expect(limiter.state()).to.include({
          paused: true,
          reason: 'the rate is 0',
          empty: true,
          available: 0,
        });
        const archive = new VirtualArchive(() => 1);
        const stop = new AbortController();
        const work = keepBusy(limiter, archive, [10, 10], stop.signal);
        let messages = 0;
        const message = limiter.admitMessage(stop.signal).then(
          () => (messages += 1),
          () => undefined,
        );
        await sleep(500);
        expect([archive.images, messages, limiter.state().waiting]).to.deep.equal([0, 0, 3]);
        await limiter.setRate(50);
        await eventually(() => expect(archive.images).to.be.at.least(20));
        stop.abort();
        await Promise.all([work, message]);
        expect(told).to.equal(2);
        expect(limiter.state()).to.include({ paused: false, reason: null });
      });
    });

    it('revokes what is under way and too large for it, when it does not end by itself', async () => {
      await withLimiter({ rate: 'unlimited' }, async (limiter) => {
        const begun = performance.now();
        const revoked = limiter.admitImages(600, forever, async ({ images, revoked }) => {
          expect(images).to.equal(600);
          await new Promise((resolve) => revoked.addEventListener('abort', resolve));
          return performance.now() - begun;
        });
        const small = limiter.admitImages(1, forever, async (admission) => {
          await sleep(900);
          return admission.revoked.aborted;
        });
        await sleep(20);
        await limiter.setRate(5);
        expect(await revoked).to.be.within(490, 900);
        expect(await small).to.equal(false);
      });
    });

    it('holds for a batch that is just being admitted, whenever the change comes', async () => {
      const admittedAround = async (turns: number): Promise<number> => {
        let images = 0;
        await withLimiter({ rate: 'unlimited' }, async (limiter) => {
          const moving = limiter.admitImages(600, forever, async (admission) => {
            images = admission.images;
            // What was admitted before is under way when the rate changes, and is revoked.
            if (images === 600)
              await new Promise((resolve) => admission.revoked.addEventListener('abort', resolve));
          });
          for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
          await limiter.setRate(5);
          await moving;
        });
        return images;
      };
      const admitted = await Promise.all(Array.from({ length: 40 }, (_, turns) => admittedAround(turns)));
      expect(admitted[0], 'the change came first').to.be.at.most(2);
      for (const [turns, images] of admitted.entries())
        expect(images, `${turns} turns`).to.be.oneOf([1, 2, 600]);
    });

    it('knows unlimited, from and to', async () => {
      await withLimiter({ rate: 'unlimited' }, async (limiter) => {
        expect(limiter.largestBatch).to.equal(Infinity);
        expect(limiter.state()).to.deep.include({
          rate: 'unlimited',
          capacity: null,
          largestBatch: null,
          available: null,
          empty: false,
        });
        const archive = new VirtualArchive(() => 1);
        const begun = performance.now();
        await archive.retrieve(limiter, 100_000, forever);
        await limiter.admitMessage(forever);
        expect(performance.now() - begun).to.be.below(500);
        expect(archive.batches).to.deep.equal([100_000]);
        await limiter.setRate(4);
        expect(limiter.largestBatch).to.equal(1);
        const after = new VirtualArchive(() => 1);
        const limited = performance.now();
        await after.retrieve(limiter, 3, forever);
        expect(performance.now() - limited).to.be.at.least(650);
        await limiter.setRate('unlimited');
        await after.retrieve(limiter, 1_000, forever);
        expect(after.batches).to.deep.equal([1, 1, 1, 1_000]);
      });
    });

    it('refuses what is no rate', async () => {
      await withLimiter({}, async (limiter) => {
        for (const rate of [-1, NaN, Infinity, 1e9]) {
          const failure = await limiter.setRate(rate).catch((error: unknown) => error);
          expect(failure, String(rate)).to.be.instanceOf(InvalidValueError);
        }
        expect(limiter.settings().rate).to.equal(5);
      });
      expect(await limiterOf({ capacity: 0.5 }).catch((error: unknown) => error)).to.be.instanceOf(
        InvalidValueError,
      );
    });
  });

  describe('for those who wait', () => {
    it('serves a big study and small ones in turn', async () => {
      await withLimiter({ rate: 40 }, async (limiter) => {
        const [big, small] = [new VirtualArchive(() => 5), new VirtualArchive(() => 5)];
        const stop = AbortSignal.timeout(4_000);
        await Promise.all([keepBusy(limiter, big, [1e6], stop), keepBusy(limiter, small, [1], stop)]);
        // A batch of the one, a batch of the other.
        expect(small.batches.length).to.be.within(big.batches.length - 2, big.batches.length * 3 + 2);
        expect(big.batches.length).to.be.at.least(5);
      });
    });

    it('takes nothing for one that gave up, and forgets it', async () => {
      await withLimiter({ rate: 4, capacity: 4 }, async (limiter) => {
        const given: AbortController[] = [];
        const waiting = Array.from({ length: 200 }, () => {
          const stop = new AbortController();
          given.push(stop);
          return limiter
            .admitImages(4, stop.signal, () => Promise.resolve())
            .catch((error: unknown) => error);
        });
        await sleep(30);
        expect(limiter.state().waiting).to.equal(200);
        for (const stop of given) stop.abort();
        for (const failure of await Promise.all(waiting)) expect(failure).to.be.instanceOf(CancelledError);
        expect(limiter.state().waiting).to.equal(0);
        const begun = performance.now();
        await new VirtualArchive(() => 1).retrieve(limiter, 1, forever);
        expect(performance.now() - begun).to.be.below(800);
      });
    });

    it('takes back what was admitted to one that gave up meanwhile', async () => {
      await withLimiter({ rate: 1000, capacity: 1000 }, async (limiter) => {
        await sleep(300);
        let moved = 0;
        for (let round = 0; round < 40; round += 1) {
          const stop = new AbortController();
          const waits = limiter.admitImages(100, stop.signal, () => {
            moved += 1;
            return Promise.resolve();
          });
          setTimeout(() => stop.abort(), round % 5);
          await waits.catch((error: unknown) => expect(error).to.be.instanceOf(CancelledError));
        }
        await sleep(600);
        expect(limiter.state().available).to.equal(500);
        expect(moved).to.be.below(41);
      });
    });

    it('puts back what the archive did not send, at most what it was given', async () => {
      await withLimiter({ rate: 10, capacity: 20 }, async (limiter) => {
        await sleep(1_100);
        const before = limiter.state().available ?? 0;
        await limiter.admitImages(5, forever, (admission) => {
          admission.giveBack(3);
          admission.giveBack(300);
          return Promise.resolve();
        });
        await sleep(10);
        expect(limiter.state().available).to.be.within(before - 0.1, 10);
      });
    });

    it('lends for a batch that cannot be cut, and is paid back at the rate', async () => {
      await withLimiter({ rate: 20, capacity: 20 }, async (limiter) => {
        await sleep(600);
        const images = await limiter.admitImages(
          40,
          forever,
          (admission) => Promise.resolve(admission.images),
          {
            whole: true,
          },
        );
        expect(images).to.equal(40);
        await sleep(20);
        expect(limiter.state().available).to.be.within(-32, -25);
        expect(limiter.state().empty).to.equal(true);
        const begun = performance.now();
        await limiter.admitMessage(forever);
        expect(performance.now() - begun).to.be.at.least(1_200);
      });
    });

    it('frees the place in flight when the work fails', async () => {
      await withLimiter({ rate: 100, capacity: 2 }, async (limiter) => {
        for (let round = 0; round < 3; round += 1) {
          const failure = await limiter
            .admitImages(1, forever, () => Promise.reject(new Error('boom')))
            .catch((error: unknown) => error);
          expect((failure as Error).message).to.equal('boom');
        }
      });
    });

    it('lets messages through only when nothing waits and an image could be admitted', async () => {
      await withLimiter({ rate: 20, capacity: 2 }, async (limiter) => {
        await limiter.admitMessage(forever);
        const stop = new AbortController();
        let release: (() => void) | undefined;
        const holds = limiter.admitImages(
          1,
          forever,
          () => new Promise<void>((resolve) => (release = resolve)),
        );
        await eventually(() => expect(release).to.be.a('function'));
        const waits = limiter.admitImages(1, stop.signal, () => Promise.resolve()).catch(() => undefined);
        let through = false;
        const message = limiter.admitMessage(forever).then(() => (through = true));
        await sleep(300);
        expect(through).to.equal(false);
        stop.abort();
        await message;
        release?.();
        await Promise.all([holds, waits]);
      });
    });

    it('ends the wait of all when it is closed, and costs nothing afterwards', async () => {
      const limiter = await limiterOf({ rate: 0.01 });
      const waits = [
        limiter.admitImages(1, forever, () => Promise.resolve()),
        limiter.admitMessage(forever),
      ].map((waiting) => waiting.catch((error: unknown) => error));
      await limiter.close();
      for (const failure of await Promise.all(waits)) expect(failure).to.be.instanceOf(CancelledError);
      const late = await limiter.admitMessage(forever).catch((error: unknown) => error);
      expect(late).to.be.instanceOf(CancelledError);
      await limiter.close();
    });

    it('listens to no signal any more once it has answered', async () => {
      await withLimiter({ rate: 'unlimited' }, async (limiter) => {
        let listeners = 0;
        const signal = new Proxy(new AbortController().signal, {
          get: (target, name) => {
            if (name === 'addEventListener') return () => (listeners += 1);
            if (name === 'removeEventListener') return () => (listeners -= 1);
            return Reflect.get(target, name, target) as unknown;
          },
        });
        for (let round = 0; round < 10; round += 1)
          await limiter.admitImages(1, signal, () => Promise.resolve());
        expect(listeners).to.equal(0);
      });
    });
  });

  describe('with the unit study', () => {
    it('a message costs a token and images cost nothing', async () => {
      await withLimiter({ rate: 10, unit: 'study', capacity: 3 }, async (limiter) => {
        expect(limiter.largestBatch).to.equal(Infinity);
        const begun = performance.now();
        const messages: number[] = [];
        while (performance.now() - begun < 2_000) {
          await limiter.admitMessage(forever);
          messages.push(performance.now());
          const images = await limiter.admitImages(500, forever, (admission) =>
            Promise.resolve(admission.images),
          );
          expect(images).to.equal(500);
        }
        // Each is noted a moment after its admission, which is 100 ms after the one before: one too many would be 1.
        const arrivals = messages.map((at) => ({ at, images: 1 }));
        expect(worstExcess(arrivals, 10, 3)).to.be.at.most(0.1);
        expect(messages.length).to.be.at.least(LOADED * 20 - 1);
      });
    });

    it('0 pauses images, too', async () => {
      await withLimiter({ rate: 0, unit: 'study' }, async (limiter) => {
        const stop = AbortSignal.timeout(200);
        const failure = await limiter
          .admitImages(1, stop, () => Promise.resolve())
          .catch((error: unknown) => error);
        expect(failure).to.be.instanceOf(CancelledError);
      });
    });
  });
});

describe('planFor', () => {
  it('divides the capacity, and admits at least one image', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 1000, noNaN: true }),
        fc.option(fc.double({ min: 1, max: 5000, noNaN: true })),
        (rate, capacity) => {
          const plan = planFor({ rate, capacity, unit: 'image' });
          expect(plan.largestBatch).to.be.at.least(1);
          expect(plan.largestBatch).to.be.at.most(Math.min(plan.inFlight, plan.reservoir));
          if (plan.capacity >= 2) expect(plan.inFlight + plan.reservoir).to.be.closeTo(plan.capacity, 1e-9);
          else expect(plan.spacingMs).to.be.closeTo(1000 / rate, 1e-6);
        },
      ),
    );
  });
});

describe('refillOf', () => {
  it('is never faster than the rate, whole, and within 1 % of it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.0001, max: 10_000, noNaN: true }), (rate) => {
        const { reservoirIncreaseAmount: amount, reservoirIncreaseInterval: interval } = refillOf(rate);
        expect(Number.isInteger(amount) && Number.isInteger(interval)).to.equal(true);
        expect(amount).to.be.at.least(1);
        expect(amount / interval).to.be.within(0.99 * rate, rate * (1 + 1e-9));
      }),
    );
  });
});

describe('Turns', () => {
  it('runs one after the other, after a failure as well', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const first = turns.take(async () => {
      await sleep(20);
      seen.push('first');
      throw new Error('first');
    });
    const second = turns.take(() => seen.push('second'));
    expect(((await first.catch((error: unknown) => error)) as Error).message).to.equal('first');
    await second;
    expect(seen).to.deep.equal(['first', 'second']);
  });
});

import Bottleneck from 'bottleneck';
import { expect } from 'chai';
import fc from 'fast-check';
import { getEventListeners, setMaxListeners } from 'node:events';
import { CancelledError, InvalidValueError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/log.js';
import { schedule, units, updateSettings, YES_OR_NO } from '../../src/core/rate-limiter/bucket.js';
import {
  createRateLimiter,
  planFor,
  type Admission,
  type RateLimiter,
  type RateLimiterOptions,
} from '../../src/core/rate-limiter/index.js';
import { refillOf } from '../../src/core/rate-limiter/shared-bucket.js';
import { Turns } from '../../src/core/rate-limiter/turns.js';
import { FakeClock, ZeroTimers } from '../support/fake-clock.js';
import {
  delaysBetween,
  imagesOf,
  VirtualArchive,
  worstExcess,
  type Arrival,
} from '../support/virtual-archive.js';

const forever = new AbortController().signal;
const nothing = (): Promise<void> => Promise.resolve();
const admittedImages = ({ images }: Admission): Promise<number> => Promise.resolve(images);
const failureOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

/** A limiter and its time. Bottleneck has timers of its own, each of 0 ms. */
interface Rig {
  readonly limiter: RateLimiter;
  readonly clock: FakeClock;
  readonly archive: (delayMs: () => number) => VirtualArchive;
  /** Lanes at work for some time; those that are under way then end. */
  readonly busyFor: (
    ms: number,
    ...work: readonly (readonly [VirtualArchive, readonly number[]])[]
  ) => Promise<void>;
}

const opened: Rig[] = [];
const zeroTimers = new ZeroTimers();
before(() => zeroTimers.install());
after(() => zeroTimers.restore());
afterEach(async () => {
  for (const { limiter, clock } of opened.splice(0)) {
    await limiter.close();
    expect(clock.timers, 'timers of a closed limiter').to.equal(0);
  }
});

async function rig(options: Partial<RateLimiterOptions> = {}): Promise<Rig> {
  const clock = new FakeClock(zeroTimers.settled);
  const limiter = await createRateLimiter({
    name: 'primary',
    rate: 5,
    capacity: null,
    unit: 'image',
    log: silentLogger,
    clock,
    ...options,
  });
  const made: Rig = {
    limiter,
    clock,
    archive: (delayMs) => new VirtualArchive(delayMs, clock),
    busyFor: async (ms, ...work) => {
      const stop = new AbortController();
      const all = work.map(([archive, lanes]) => archive.keepBusy(limiter, lanes, stop.signal));
      await clock.pass(ms);
      stop.abort();
      await clock.until(Promise.all(all));
    },
  };
  opened.push(made);
  return made;
}

function imagesBetween(arrivals: readonly Arrival[], from: number, to: number): number {
  return imagesOf(arrivals.filter(({ at }) => at >= from && at < to));
}

const WORKLOADS = { 'one big study': [1e6], 'small studies': [1, 1], 'both at once': [1e6, 1] } as const;

describe('the image rate', () => {
  for (const [least, most] of [
    [5, 10],
    [5, 300],
  ] as const)
    it(`never lets out more than rate × window + capacity, and no less than it may (${least}–${most} ms)`, async () => {
      const run = async (rate: number, name: keyof typeof WORKLOADS): Promise<void> => {
        const seconds = rate > 100 ? 2 : 6;
        const { archive, busyFor } = await rig({ rate });
        const store = archive(delaysBetween(least, most));
        await busyFor(seconds * 1000, [store, WORKLOADS[name]]);
        const text = `${rate}/s, ${name}`;
        expect(worstExcess(store.arrivals, rate, Math.max(1, rate)), text).to.be.at.most(0);
        // Two lanes of single images cannot do more than two per delay; the last batch may still be under way.
        const possible = name === 'small studies' ? (2 * 1000) / ((least + most) / 2) : Infinity;
        const { largestBatch } = planFor({ rate, capacity: null, unit: 'image' });
        expect(store.images, text).to.be.at.least(
          Math.min(rate * seconds - largestBatch, 0.95 * possible * seconds),
        );
      };
      const workloads = Object.keys(WORKLOADS) as (keyof typeof WORKLOADS)[];
      await Promise.all([1, 5, 50, 200].flatMap((rate) => workloads.map((name) => run(rate, name))));
    });

  it('holds for any capacity, small ones too', async () => {
    for (const capacity of [1, 1.5, 2, 3, 7, 40]) {
      const { archive, busyFor } = await rig({ rate: 20, capacity });
      const store = archive(delaysBetween(5, 120));
      await busyFor(3_000, [store, [1e6, 3]]);
      expect(store.images, `capacity ${capacity}`).to.be.at.least(25);
      expect(worstExcess(store.arrivals, 20, capacity), `capacity ${capacity}`).to.be.at.most(0);
    }
  });

  it('counts fractions', async () => {
    const { archive, busyFor } = await rig({ rate: 1.25 });
    const store = archive(() => 20);
    await busyFor(5_000, [store, [1e6]]);
    expect(worstExcess(store.arrivals, 1.25, 1.25)).to.be.at.most(0);
    expect(store.images).to.equal(6);
  });

  it('lets a burst through after a rest, and no more than the capacity', async () => {
    const { archive, busyFor, clock } = await rig({ rate: 10, capacity: 20 });
    await clock.pass(1_500);
    const store = archive(() => 1);
    await busyFor(400, [store, [1e6]]);
    expect(imagesBetween(store.arrivals, 1_500, 1_510)).to.equal(10);
    expect(worstExcess(store.arrivals, 10, 20)).to.be.at.most(0);
  });

  it('begins empty, so that starting again and again is no way around it', async () => {
    const { limiter } = await rig();
    expect(limiter.state()).to.include({ available: 0, empty: true });
  });

  it('keeps the archive asked for half as much when it takes half a second over a batch', async () => {
    // Little's law: with half of the capacity in flight the full rate is reached up to half a second.
    const { archive, busyFor } = await rig({ rate: 40 });
    const store = archive(() => 450);
    await busyFor(5_000, [store, [1e6, 1e6]]);
    expect(imagesBetween(store.arrivals, 0, 5_000)).to.be.at.least(0.95 * 40 * 4.5);
    expect(worstExcess(store.arrivals, 40, 40)).to.be.at.most(0);
  });

  describe('when the rate changes', () => {
    it('is in force within a second each time, in the middle of a study', async () => {
      const { limiter, archive, clock } = await rig({ rate: 5 });
      const store = archive(delaysBetween(5, 60));
      const stop = new AbortController();
      const work = store.keepBusy(limiter, [1e6, 1], stop.signal);
      await clock.pass(2_000);
      for (const rate of [50, 0, 20, 2]) {
        const at = clock.now();
        await clock.until(limiter.setRate(rate));
        await clock.pass(2_000);
        const settled = store.arrivals.filter((arrival) => arrival.at >= at + 1_000);
        const { largestBatch } = planFor({ rate, capacity: null, unit: 'image' });
        expect(imagesBetween(settled, 0, Infinity), `at ${rate}/s`).to.be.within(
          rate === 0 ? 0 : rate - largestBatch,
          rate === 0 ? 0 : 2 * rate,
        );
        expect(worstExcess(settled, rate, Math.max(1, rate))).to.be.at.most(0);
      }
      stop.abort();
      await clock.until(work);
    });

    it('plans anew who waits for long', async () => {
      const { limiter, archive, clock } = await rig({ rate: 0.1 });
      const store = archive(() => 1);
      const work = store.retrieve(limiter, 5, forever);
      await clock.pass(9_900);
      expect(store.images).to.equal(0);
      await clock.until(limiter.setRate(50));
      await clock.until(work);
      expect(clock.now()).to.be.below(10_100);
    });

    it('plans anew who waits for the distance between single images', async () => {
      const { limiter, archive, clock } = await rig({ rate: 0.05, capacity: 1 });
      const store = archive(() => 1);
      await clock.until(store.retrieve(limiter, 1, forever));
      const work = store.retrieve(limiter, 2, forever);
      await clock.pass(5_000);
      expect(store.images).to.equal(1);
      const changedAt = clock.now();
      await clock.until(limiter.setRate(100));
      await clock.until(work);
      expect(clock.now() - changedAt).to.be.below(50);
    });

    it('gives a waiter what fits the new rate', async () => {
      const { limiter, clock } = await rig({ rate: 200 });
      await clock.until(limiter.setRate(0));
      const admitted = limiter.admitImages(600, forever, admittedImages);
      await clock.pass(20);
      await clock.until(limiter.setRate(8));
      expect(await clock.until(admitted)).to.equal(2);
    });

    it('gives a waiter a whole batch, however long the pause was', async () => {
      const { limiter, clock } = await rig({ rate: 200 });
      const admitted = limiter.admitImages(600, forever, admittedImages);
      await clock.pass(100);
      await clock.until(limiter.setRate(0));
      await clock.pass(60_000);
      await clock.until(limiter.setRate(200));
      expect(await clock.until(admitted)).to.equal(50);
    });

    it('stops at 0 and says so', async () => {
      const { limiter, archive, clock } = await rig({ rate: 50 });
      let told = 0;
      limiter.onChange(() => (told += 1));
      await clock.pass(200);
      await clock.until(limiter.setRate(0));
      expect(limiter.state()).to.include({
        paused: true,
        reason: 'the rate is 0',
        empty: true,
        available: 0,
      });
      const store = archive(() => 1);
      const stop = new AbortController();
      const work = store.keepBusy(limiter, [10, 10], stop.signal);
      let messages = 0;
      const message = limiter.admitMessage(stop.signal).then(
        () => (messages += 1),
        () => undefined,
      );
      await clock.pass(60_000);
      expect([store.images, messages, limiter.state().waiting]).to.deep.equal([0, 0, 3]);
      await clock.until(limiter.setRate(50));
      await clock.pass(1_000);
      expect(store.images).to.be.at.least(20);
      stop.abort();
      await clock.until(Promise.all([work, message]));
      expect(told).to.equal(2);
      expect(limiter.state()).to.include({ paused: false, reason: null });
    });

    it('revokes what is under way and too large for it, when it does not end by itself', async () => {
      const { limiter, clock } = await rig({ rate: 'unlimited' });
      const revoked = limiter.admitImages(600, forever, async (admission) => {
        expect(admission.images).to.equal(600);
        await new Promise((resolve) => admission.revoked.addEventListener('abort', resolve));
        return clock.now();
      });
      const small = limiter.admitImages(1, forever, async (admission) => {
        await new Promise<void>((resolve) => clock.after(900, resolve));
        return admission.revoked.aborted;
      });
      await clock.pass(20);
      await clock.until(limiter.setRate(5));
      expect(await clock.until(revoked)).to.equal(520);
      expect(await clock.until(small)).to.equal(false);
    });

    it('holds for a batch that is just being admitted, whenever the change comes', async () => {
      const admittedAfter = async (turns: number): Promise<number> => {
        const { limiter, clock } = await rig({ rate: 'unlimited' });
        let images = 0;
        const moving = limiter.admitImages(600, forever, async (admission) => {
          images = admission.images;
          // What was admitted before is under way when the rate changes, and is revoked.
          if (images === 600)
            await new Promise((resolve) => admission.revoked.addEventListener('abort', resolve));
        });
        for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
        await clock.until(limiter.setRate(5));
        await clock.until(moving);
        return images;
      };
      const admitted = [];
      for (let turns = 0; turns < 10; turns += 1) admitted.push(await admittedAfter(turns));
      expect(admitted[0], 'the change came first').to.be.at.most(2);
      expect(admitted.at(-1), 'the change came last').to.equal(600);
      for (const [turns, images] of admitted.entries())
        expect(images, `${turns} turns`).to.be.oneOf([1, 2, 600]);
    });

    it('knows unlimited, from and to', async () => {
      const { limiter, archive, clock } = await rig({ rate: 'unlimited' });
      expect(limiter.largestBatch).to.equal(Infinity);
      expect(limiter.state()).to.deep.include({
        rate: 'unlimited',
        capacity: null,
        largestBatch: null,
        available: null,
        empty: false,
      });
      const store = archive(() => 1);
      await clock.until(store.retrieve(limiter, 100_000, forever));
      await clock.until(limiter.admitMessage(forever));
      expect([store.batches, clock.now()]).to.deep.equal([[100_000], 1]);
      await clock.until(limiter.setRate(4));
      expect(limiter.largestBatch).to.equal(1);
      await clock.until(store.retrieve(limiter, 3, forever));
      expect(clock.now()).to.be.within(750, 800);
      await clock.until(limiter.setRate('unlimited'));
      await clock.until(store.retrieve(limiter, 1_000, forever));
      expect(store.batches).to.deep.equal([100_000, 1, 1, 1, 1_000]);
    });

    it('refuses what is no rate', async () => {
      const { limiter } = await rig();
      for (const rate of [-1, NaN, Infinity, 1e9, 1e-300, 1e-5])
        expect(await failureOf(limiter.setRate(rate)), String(rate)).to.be.instanceOf(InvalidValueError);
      expect(limiter.settings().rate).to.equal(5);
      expect(await failureOf(rig({ capacity: 0.5 }))).to.be.instanceOf(InvalidValueError);
    });
  });

  describe('for those who wait', () => {
    it('serves a big study and small ones in turn', async () => {
      const { archive, busyFor } = await rig({ rate: 40 });
      const [big, small] = [archive(() => 5), archive(() => 5)];
      await busyFor(4_000, [big, [1e6]], [small, [1]]);
      // A batch of the one, a batch of the other.
      expect(small.batches.length).to.be.within(big.batches.length - 1, big.batches.length + 1);
      expect(big.batches.length).to.be.at.least(10);
    });

    it('takes nothing for one that gave up, and forgets it', async () => {
      const { limiter, archive, clock } = await rig({ rate: 4, capacity: 4 });
      const stop = new AbortController();
      setMaxListeners(200, stop.signal);
      const waiting = Array.from({ length: 200 }, () =>
        failureOf(limiter.admitImages(4, stop.signal, nothing)),
      );
      await clock.pass(30);
      expect(limiter.state().waiting).to.equal(200);
      stop.abort();
      for (const failure of await Promise.all(waiting)) expect(failure).to.be.instanceOf(CancelledError);
      expect(limiter.state().waiting).to.equal(0);
      await clock.until(archive(() => 1).retrieve(limiter, 1, forever));
      expect(clock.now()).to.be.within(250, 255);
    });

    it('takes back what was admitted to one that gave up meanwhile', async () => {
      const { limiter, clock } = await rig({ rate: 1000, capacity: 1000 });
      await clock.pass(300);
      let moved = 0;
      for (let turns = 0; turns < 20; turns += 1) {
        const stop = new AbortController();
        const waits = limiter.admitImages(100, stop.signal, () => {
          moved += 1;
          return Promise.resolve();
        });
        for (let turn = 0; turn < turns % 10; turn += 1) await new Promise(setImmediate);
        stop.abort();
        const failure = await clock.until(failureOf(waits));
        if (failure !== undefined) expect(failure).to.be.instanceOf(CancelledError);
      }
      await clock.pass(600);
      expect(limiter.state().available).to.equal(500);
      expect(moved, 'those that were not in time').to.be.within(1, 19);
    });

    it('puts back what the archive did not send, at most what it was given', async () => {
      const { limiter, clock } = await rig({ rate: 10, capacity: 20 });
      await clock.pass(900);
      expect(limiter.state().available).to.equal(9);
      const admitted = limiter.admitImages(5, forever, (admission) => {
        admission.giveBack(3);
        admission.giveBack(300);
        return Promise.resolve();
      });
      await clock.until(admitted);
      expect([limiter.state().available, clock.now()]).to.deep.equal([9, 900]);
    });

    it('lends for a batch that cannot be cut, and is paid back at the rate', async () => {
      const { limiter, clock } = await rig({ rate: 20, capacity: 20 });
      await clock.pass(600);
      const lent = limiter.admitImages(40, forever, admittedImages, { whole: true });
      expect(await clock.until(lent)).to.equal(40);
      await clock.pass(0);
      expect(limiter.state()).to.include({ available: -30, empty: true });
      await clock.until(limiter.admitMessage(forever));
      expect(clock.now() - 600, 'thirty of debt and one, at twenty a second').to.equal(1_550);
    });

    it('frees the place in flight when the work fails', async () => {
      const { limiter, clock } = await rig({ rate: 100, capacity: 2 });
      for (let round = 0; round < 3; round += 1) {
        const moving = limiter.admitImages(1, forever, () => Promise.reject(new Error('boom')));
        expect(await clock.until(failureOf(moving))).to.have.property('message', 'boom');
      }
    });

    it('lets messages through only when nothing waits and an image could be admitted', async () => {
      const { limiter, clock } = await rig({ rate: 20, capacity: 2 });
      await clock.until(limiter.admitMessage(forever));
      expect(clock.now()).to.equal(50);
      const stop = new AbortController();
      let release = (): void => undefined;
      const holds = limiter.admitImages(
        1,
        forever,
        () => new Promise<void>((resolve) => (release = resolve)),
      );
      const waits = failureOf(limiter.admitImages(1, stop.signal, nothing));
      let through = false;
      const message = limiter.admitMessage(forever).then(() => (through = true));
      await clock.pass(60_000);
      expect(through).to.equal(false);
      stop.abort();
      await clock.until(message);
      release();
      await clock.until(Promise.all([holds, waits]));
    });

    it('ends the wait of all when it is closed, and costs nothing afterwards', async () => {
      const { limiter } = await rig({ rate: 0.01 });
      const waits = [limiter.admitImages(1, forever, nothing), limiter.admitMessage(forever)].map(failureOf);
      await limiter.close();
      for (const failure of await Promise.all(waits)) expect(failure).to.be.instanceOf(CancelledError);
      expect(await failureOf(limiter.admitMessage(forever))).to.be.instanceOf(CancelledError);
      await limiter.close();
    });

    it('listens to no signal any more once it has answered', async () => {
      const { limiter } = await rig({ rate: 'unlimited' });
      const { signal } = new AbortController();
      for (let round = 0; round < 10; round += 1) await limiter.admitImages(1, signal, nothing);
      expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
    });
  });

  describe('with the unit study', () => {
    it('a message costs a token and images cost nothing', async () => {
      const { limiter, clock } = await rig({ rate: 10, unit: 'study', capacity: 3 });
      expect(limiter.largestBatch).to.equal(Infinity);
      const messages: Arrival[] = [];
      while (clock.now() < 2_000) {
        await clock.until(limiter.admitMessage(forever));
        messages.push({ at: clock.now(), images: 1 });
        expect(await clock.until(limiter.admitImages(500, forever, admittedImages))).to.equal(500);
      }
      expect(worstExcess(messages, 10, 3)).to.be.at.most(0);
      expect(messages).to.have.length(20);
    });

    it('0 pauses images, too', async () => {
      const { limiter, clock } = await rig({ rate: 0, unit: 'study' });
      const stop = new AbortController();
      const waits = failureOf(limiter.admitImages(1, stop.signal, nothing));
      await clock.pass(60_000);
      expect(limiter.state().waiting).to.equal(1);
      stop.abort();
      expect(await waits).to.be.instanceOf(CancelledError);
    });
  });
});

describe('Bottleneck, with its own timers', () => {
  beforeEach(() => zeroTimers.restore());
  afterEach(() => zeroTimers.install());

  it('takes what is sent first first, and each at once or not at all', async () => {
    const limiter = new Bottleneck({ ...YES_OR_NO, reservoir: 0, maxConcurrent: units(2) });
    expect(await schedule(limiter, 1, null), 'one of none').to.equal(null);
    const [, two, third] = await Promise.all([
      limiter.incrementReservoir(units(4)),
      schedule(limiter, 2, null),
      schedule(limiter, 1, null),
    ]);
    expect([two !== null, third], 'two may be in flight').to.deep.equal([true, null]);
    await two?.release();
    const [three, , one] = await Promise.all([
      schedule(limiter, 3, null),
      updateSettings(limiter, { reservoir: units(1.5), maxConcurrent: units(1) }),
      schedule(limiter, 1, null),
    ]);
    expect([three, one !== null], 'three of two, one of one and a half').to.deep.equal([null, true]);
    expect(await limiter.currentReservoir()).to.equal(units(0.5));
    await one?.release();
    await limiter.disconnect();
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
      await new Promise(setImmediate);
      seen.push('first');
      throw new Error('first');
    });
    const second = turns.take(() => seen.push('second'));
    expect(((await first.catch((error: unknown) => error)) as Error).message).to.equal('first');
    await second;
    expect(seen).to.deep.equal(['first', 'second']);
  });
});

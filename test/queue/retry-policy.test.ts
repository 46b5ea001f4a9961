import { expect } from 'chai';
import fc from 'fast-check';
import { defaultRetryPolicy, isLastAttempt, jitteredMs, retryDelayMs } from '../../src/queue/index.js';

describe('retry policy', () => {
  it('waits 5 s, doubling to 5 min, by default', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => retryDelayMs(defaultRetryPolicy, attempt));
    expect(delays).to.deep.equal([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  });

  it('allows six tries by default', () => {
    const last = [1, 5, 6, 7].map((attempt) => isLastAttempt(defaultRetryPolicy, attempt));
    expect(last).to.deep.equal([false, false, true, true]);
  });

  it('never waits longer than its maximum, whatever the count of tries', () => {
    fc.assert(
      fc.property(fc.integer(), (attempt) => {
        const delay = retryDelayMs(defaultRetryPolicy, attempt);
        expect(delay).to.be.within(5_000, 300_000);
      }),
    );
  });

  it('takes at most a fifth off the pause and never adds to it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 300_000 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (ms, random) => {
          const jittered = jitteredMs(ms, random);
          expect(jittered).to.be.within(Math.floor(ms * 0.8), ms);
          expect(Number.isInteger(jittered)).to.equal(true);
        },
      ),
    );
  });
});

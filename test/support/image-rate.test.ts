import { expect } from 'chai';
import fc from 'fast-check';
import { meanRate, worstWindow } from './image-rate.js';

describe('what images are judged by', () => {
  it('finds the worst of all windows of a second or more', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 20 }), (ms, rate) => {
        let at = 0;
        const times = ms.map((gap) => (at += gap));
        let worst = -Infinity;
        for (const from of times.keys())
          for (let to = from; to < times.length; to += 1) {
            const seconds = Math.max(1, (times[to]! - times[from]!) / 1000);
            worst = Math.max(worst, to - from + 1 - rate * seconds - rate);
          }
        const { images, allowed } = worstWindow(times, rate, rate);
        expect(images - allowed).to.be.closeTo(worst, 1e-9);
      }),
    );
  });

  it('sees a burst over the capacity, wherever it is', () => {
    const burst = [
      ...Array.from({ length: 40 }, (_, index) => index * 200),
      ...Array<number>(12).fill(9_000),
    ];
    const { images, allowed } = worstWindow(burst, 5, 5);
    expect(images).to.be.greaterThan(allowed);
  });

  it('counts the mean from a moment on', () => {
    expect(meanRate([0, 999, 1_000, 1_500, 2_999, 3_000], 1_000, 2)).to.equal(1.5);
  });
});

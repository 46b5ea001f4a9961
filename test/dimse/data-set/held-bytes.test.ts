import { expect } from 'chai';
import fc from 'fast-check';
import { HeldBytes } from '../../../src/dimse/data-set/held-bytes.js';

describe('Held bytes', () => {
  it('are those that came, from where they were released on', () => {
    const lengths = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 2000, max: 20_000 }));
    const steps = fc.array(fc.tuple(lengths, fc.nat(30_000), fc.nat(30_000)), { maxLength: 40 });
    fc.assert(
      fc.property(steps, (all) => {
        const held = new HeldBytes();
        let came = Buffer.alloc(0);
        for (const [length, ahead, at] of all) {
          const piece = Buffer.from(Array.from({ length }, (_, index) => (came.length + index) % 251));
          held.push(piece);
          came = Buffer.concat([came, piece]);
          expect(held.length).to.equal(came.length);
          // Sometimes beyond what has come.
          if (ahead % 3 === 0) held.release(held.released + ahead);
          const from = held.released + (at % Math.max(1, came.length - held.released));
          if (from < came.length)
            expect(held.view(from, came.length - from).equals(came.subarray(from))).to.equal(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});

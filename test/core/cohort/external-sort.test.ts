import { expect } from 'chai';
import fc from 'fast-check';
import { ExternalSort } from '../../../src/core/cohort/external-sort.js';
import { keyedLine, mergeJoin, numberOf } from '../../../src/core/cohort/merge-join.js';

describe('sorting and joining on disk', () => {
  it('gives the lines that an array would, however many runs there are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z0-9 é日]{0,20}$/)),
        fc.integer({ min: 1, max: 60 }),
        (lines, runLength) => {
          const sort = new ExternalSort(runLength);
          try {
            for (const line of lines) sort.add(line);
            expect([...sort.sorted()]).to.deep.equal([...lines].sort());
          } finally {
            sort.close();
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('joins what nested loops would', () => {
    const side = fc.array(fc.tuple(fc.integer({ min: -12, max: 12 }), fc.nat(99)));
    fc.assert(
      fc.property(side, side, (left, right) => {
        const lines = (rows: readonly [number, number][]): string[] =>
          rows.map(([key, value]) => keyedLine(key, String(value))).sort();
        const joined = [...mergeJoin(lines(left), lines(right))].map(
          ([a, b, key]) => `${numberOf(key)} ${a} ${b}`,
        );
        const expected = left.flatMap(([key, a]) =>
          right.filter(([other]) => other === key).map(([, b]) => `${key} ${a} ${b}`),
        );
        expect(joined.sort()).to.deep.equal(expected.sort());
      }),
    );
  });
});

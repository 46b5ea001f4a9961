import { expect } from 'chai';
import fc from 'fast-check';
import { withoutPadding, withoutTrailingPadding } from '../../src/core/padding.js';

describe('Padding', () => {
  it('is what a regular expression says, spaces and NULs at the ends, whatever the text', () => {
    const text = fc.string({ unit: fc.constantFrom(' ', '\0', 'a', '\t', '\u00a0') });
    fc.assert(
      fc.property(text, (given) => {
        expect(withoutTrailingPadding(given)).to.equal(given.replace(/[\0 ]+$/, ''));
        expect(withoutPadding(given)).to.equal(given.replace(/^[\0 ]+|[\0 ]+$/g, ''));
      }),
    );
  });
});

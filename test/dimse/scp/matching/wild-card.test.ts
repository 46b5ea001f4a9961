import { expect } from 'chai';
import fc from 'fast-check';
import { wildCardMatcher } from '../../../../src/dimse/scp/matching/wild-card.js';

const characters = fc.constantFrom('a', 'b', 'A', '.', '^', ' ', 'ü', '太', '😀');
const texts = fc.string({ unit: characters, maxLength: 12 });
const patterns = fc.string({ unit: fc.oneof(characters, fc.constantFrom('*', '?', '*')), maxLength: 12 });

/** The same by a regular expression, which may take its time. */
function naive(pattern: string): RegExp {
  const source = Array.from(pattern, (character) =>
    character === '*' ? '.*' : character === '?' ? '.' : character.replace(/[.^$\\]/g, '\\$&'),
  ).join('');
  return new RegExp(`^${source}$`, 'su');
}

describe('A wild card', () => {
  it('matches what the regular expression that says the same does', () => {
    fc.assert(
      fc.property(patterns, texts, (pattern, text) => {
        expect(wildCardMatcher(pattern)(text)).to.equal(naive(pattern).test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('matches the text that its * and ? were put into', () => {
    fc.assert(
      fc.property(
        fc.array(texts, { minLength: 1, maxLength: 4 }),
        fc.array(texts, { maxLength: 4 }),
        (parts, gaps) => {
          const text = parts.map((part, index) => part + (gaps[index] ?? '')).join('');
          expect(wildCardMatcher(parts.map((part) => `${part}*`).join(''))(text)).to.equal(true);
          expect(wildCardMatcher(Array.from(text, () => '?').join(''))(text)).to.equal(true);
          expect(wildCardMatcher(`?${text}`)(text)).to.equal(naive(`?${text}`).test(text));
        },
      ),
    );
  });

  it('is tried in steps of pattern times text, whatever the pattern', () => {
    // A regular expression would not come back from this one.
    expect(wildCardMatcher('*a'.repeat(200) + 'b')('a'.repeat(2000))).to.equal(false);
  });
});

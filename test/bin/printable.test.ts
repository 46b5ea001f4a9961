import { expect } from 'chai';
import fc from 'fast-check';
import { wrapped } from '../../bin/output.js';
import { printable, printableLines } from '../../bin/printable.js';

/** What no output may hold: controls, turns of direction, what has no width, halves of characters. */
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Surrogate}\p{Zl}\p{Zp}]/u;

describe('A text from outside', () => {
  it('is shown with escapes for what a terminal obeys or hides', () => {
    expect(printable('a\x1b[31mb\x07\x9b\r\n')).to.equal(String.raw`a\x1b[31mb\x07\x9b\x0d\x0a`);
    expect(printable('12\u202e34\u200b5\ufeff')).to.equal(String.raw`12\u202e34\u200b5\ufeff`);
    expect(printable('tag \u{e0041}')).to.equal(String.raw`tag \u{e0041}`);
    expect(printableLines('one\ntwo\t')).to.equal('one\ntwo\\x09');
    expect(printable('Größe 日本 مريض')).to.equal('Größe 日本 مريض');
  });

  it('holds nothing of that kind afterwards, whatever it was', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(fc.property(text, (value) => !FORBIDDEN.test(printable(value))));
  });

  it('is broken into lines of a width, at blanks where there are any, and loses nothing but those', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-c ]{0,80}$/), fc.integer({ min: 1, max: 30 }), (text, width) => {
        const lines = wrapped(text, width);
        for (const line of lines) expect(line.length).to.be.at.most(width);
        expect(lines.join('').replaceAll(' ', '')).to.equal(text.replaceAll(' ', ''));
      }),
    );
  });
});

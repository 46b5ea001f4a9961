import { expect } from 'chai';
import fc from 'fast-check';
import { decodeText } from '../../../src/dimse/data-set/decode-text.js';
import { hex } from './elements.js';
import { TEXT_EXAMPLES } from './text-examples.js';

describe('Text', () => {
  for (const [what, set, bytes, text, vr = 'PN'] of TEXT_EXAMPLES)
    it(`is read in ${what}`, () => {
      expect(decodeText(bytes, vr, set)).to.equal(text);
    });

  it('in a double-byte set may have a second byte that looks like a backslash', () => {
    for (const set of ['GBK', 'GB18030'])
      expect(decodeText(hex('815c'), 'LO', set))
        .to.have.length(1)
        .and.not.include('\\');
    // JIS X 0208 in G0: 0x21 0x5C is a plus sign of full width.
    expect(decodeText(hex('1b 24 42 21 5c 1b 28 42'), 'LO', '\\ISO 2022 IR 87')).to.equal('＋');
  });

  it('loses the padding of each value', () => {
    expect(decodeText(Buffer.from(' A1 \\ B2 '), 'LO', '')).to.equal('A1\\B2');
    expect(decodeText(Buffer.from('1.2.3\0'), 'UI', '')).to.equal('1.2.3');
    expect(decodeText(Buffer.from('A1\0\0'), 'SH', '')).to.equal('A1');
  });

  it('keeps leading spaces and backslashes where the VR has one value', () => {
    expect(decodeText(Buffer.from('  a \\ b  '), 'LT', '')).to.equal('  a \\ b');
  });

  it('is ASCII in a VR that has no character set', () => {
    expect(decodeText(Buffer.from([0x43, 0xc3, 0xa9]), 'CS', 'ISO_IR 192')).to.equal('CÃ©');
  });

  it('is read, whatever the bytes are and are said to be', () => {
    const sets = TEXT_EXAMPLES.map(([, set]) => set);
    const bytes = fc.array(fc.oneof(fc.constantFrom(0x1b, 0x24, 0x28, 0x29, 0x42, 0x5c), fc.nat(255)));
    fc.assert(
      fc.property(
        bytes,
        fc.constantFrom(...sets),
        fc.constantFrom('PN', 'LO', 'LT', 'CS'),
        (noise, set, vr) => {
          expect(decodeText(Buffer.from(noise), vr, set)).to.be.a('string');
        },
      ),
      { numRuns: 500 },
    );
  });
});

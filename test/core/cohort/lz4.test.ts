import { expect } from 'chai';
import fc from 'fast-check';
import { ParquetError } from '../../../src/core/cohort/parquet/errors.js';
import { lz4Block, lz4Hadoop } from '../../../src/core/cohort/parquet/lz4.js';

/** Sequences of the LZ4 block format: literals, then a copy of `size` bytes from `offset` back; the last has literals alone. */
function block(sequences: readonly (readonly [literals: string, offset?: number, size?: number])[]): Buffer {
  const length = (value: number): number[] => {
    const bytes = [];
    let rest = value - 15;
    for (; rest >= 255; rest -= 255) bytes.push(255);
    return value < 15 ? [] : [...bytes, rest];
  };
  return Buffer.concat(
    sequences.map(([text, offset, size = 4]) => {
      const literals = Buffer.from(text);
      const copied = offset === undefined ? 0 : size - 4;
      return Buffer.from([
        (Math.min(literals.length, 15) << 4) | Math.min(copied, 15),
        ...length(literals.length),
        ...literals,
        ...(offset === undefined ? [] : [offset & 255, offset >> 8, ...length(copied)]),
      ]);
    }),
  );
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('An LZ4 block', () => {
  it('is literals and copies of what was there before, also of what is just being written', () => {
    expect(text(lz4Block(block([['hello']]), 5))).to.equal('hello');
    expect(text(lz4Block(block([['abcd', 4, 8], ['e']]), 13))).to.equal('abcdabcdabcde');
    expect(text(lz4Block(block([['a', 1, 300], ['b'.repeat(20)]]), 321))).to.equal(
      'a'.repeat(301) + 'b'.repeat(20),
    );
  });

  it('behind its lengths, as Hadoop writes it, or without them is the same', () => {
    const parts = [block([['abcd', 4, 8], ['e']]), block([['f']])];
    const framed = Buffer.concat(
      parts.flatMap((part, index) => {
        const lengths = Buffer.alloc(8);
        lengths.writeUInt32BE(index === 0 ? 13 : 1, 0);
        lengths.writeUInt32BE(part.length, 4);
        return [lengths, part];
      }),
    );
    expect(text(lz4Hadoop(framed, 14))).to.equal('abcdabcdabcdef');
    expect(text(lz4Hadoop(block([['hello']]), 5))).to.equal('hello');
  });

  it('that is anything else is an error of its own, and takes no more room than the page says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(200), (bytes, length) => {
        try {
          expect(lz4Hadoop(Buffer.from(bytes), length)).to.have.length(length);
        } catch (error) {
          expect(error).to.be.instanceOf(ParquetError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

import { expect } from 'chai';
import fc from 'fast-check';
import { HybridReader } from '../../../src/core/cohort/parquet/hybrid-reader.js';
import { ParquetError } from '../../../src/core/cohort/parquet/errors.js';
import { valueReader, type PhysicalType, type Value } from '../../../src/core/cohort/parquet/values.js';

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return [...bytes, Number(rest)];
    bytes.push(Number(rest & 127n) | 128);
  }
}

const zigzag = (value: bigint): number[] => varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));

/** The lowest bits first, over as many bytes as they need. */
function packed(values: readonly bigint[], width: number): number[] {
  let all = 0n;
  for (const [index, value] of values.entries()) all |= value << BigInt(index * width);
  return Array.from({ length: Math.ceil((values.length * width) / 8) }, (_, at) =>
    Number((all >> BigInt(at * 8)) & 255n),
  );
}

/** DELTA_BINARY_PACKED as the specification has it, with blocks of 128 values in 4 miniblocks. */
function deltaPacked(values: readonly bigint[], bits: 32 | 64): number[] {
  const bytes = [
    ...varint(128n),
    ...varint(4n),
    ...varint(BigInt(values.length)),
    ...zigzag(values[0] ?? 0n),
  ];
  const deltas = values.slice(1).map((value, index) => BigInt.asIntN(bits, value - (values[index] ?? 0n)));
  for (let start = 0; start < deltas.length; start += 128) {
    const block = deltas.slice(start, start + 128);
    const least = block.reduce((a, b) => (a < b ? a : b));
    const rests = block.map((delta) => BigInt.asUintN(bits, delta - least));
    const groups = [0, 32, 64, 96].map((from) => rests.slice(from, from + 32));
    const widths = groups.map((group) => Math.max(0, ...group.map((rest) => rest.toString(2).length)));
    bytes.push(...zigzag(least), ...widths);
    for (const [index, group] of groups.entries())
      if (group.length > 0)
        bytes.push(...packed([...group, ...Array<bigint>(32 - group.length).fill(0n)], widths[index] ?? 0));
  }
  return bytes;
}

function lengthsAndTexts(texts: readonly Buffer[]): number[] {
  return [
    ...deltaPacked(
      texts.map(({ length }) => BigInt(length)),
      32,
    ),
    ...texts.flatMap((text) => [...text]),
  ];
}

function sharedPrefixes(texts: readonly Buffer[]): number[] {
  const prefixes = texts.map((text, index) => {
    const before = texts[index - 1] ?? Buffer.alloc(0);
    let shared = 0;
    while (shared < before.length && shared < text.length && before[shared] === text[shared]) shared += 1;
    return shared;
  });
  return [
    ...deltaPacked(prefixes.map(BigInt), 32),
    ...lengthsAndTexts(texts.map((text, index) => text.subarray(prefixes[index]))),
  ];
}

function readAll(encoding: string, type: PhysicalType, bytes: readonly number[], count: number): Value[] {
  const reader = valueReader(encoding, type, Buffer.from(bytes), count, null);
  return Array.from({ length: count }, () => reader.next());
}

const texts = fc
  .array(fc.stringMatching(/^(1\.2\.826\.)?[0-9a-zä]{0,12}$/), { minLength: 1, maxLength: 300 })
  .map((all) => all.map((text) => Buffer.from(text)));

describe("A page's values", () => {
  it('that are differences come out as they went in, over blocks and overflows', () => {
    const values = (bits: 32 | 64): fc.Arbitrary<bigint[]> =>
      fc.array(
        fc.oneof(
          fc.bigInt({ min: -9n, max: 9n }),
          fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n }),
        ),
        {
          minLength: 1,
          maxLength: 400,
        },
      );
    fc.assert(
      fc.property(values(64), (all) => {
        expect(readAll('DELTA_BINARY_PACKED', 'INT64', deltaPacked(all, 64), all.length)).to.deep.equal(all);
      }),
    );
    fc.assert(
      fc.property(values(32), (all) => {
        const numbers = readAll('DELTA_BINARY_PACKED', 'INT32', deltaPacked(all, 32), all.length);
        expect(numbers).to.deep.equal(all.map(Number));
      }),
    );
  });

  it('that are texts behind their lengths, or share their beginnings, come out as they went in', () => {
    fc.assert(
      fc.property(texts, (all) => {
        for (const [encoding, bytes] of [
          ['DELTA_LENGTH_BYTE_ARRAY', lengthsAndTexts(all)],
          ['DELTA_BYTE_ARRAY', sharedPrefixes(all)],
        ] as const)
          expect(readAll(encoding, 'BYTE_ARRAY', bytes, all.length), encoding).to.deep.equal(all);
      }),
    );
  });

  it('that are said to be billions take no memory for those that nobody asks for', () => {
    const count = 2 ** 31 - 1;
    // A billion differences of no bits, in one block.
    const lengths = [...varint(2n ** 31n), ...varint(1n), ...varint(BigInt(count)), ...zigzag(0n), 0, 0];
    const before = process.memoryUsage().arrayBuffers;
    for (const [encoding, bytes] of [
      ['DELTA_LENGTH_BYTE_ARRAY', lengths],
      ['DELTA_BYTE_ARRAY', [...lengths, ...lengths]],
    ] as const) {
      const reader = valueReader(encoding, 'BYTE_ARRAY', Buffer.from(bytes), count, null);
      for (let times = 0; times < 10; times += 1) expect(reader.next()).to.have.property('length', 0);
    }
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(1024 * 1024);
  });

  it("are read from the specification's own example of packed bits and of a run", () => {
    const example = new HybridReader(Buffer.from([3, 0b10001000, 0b11000110, 0b11111010, 10, 6]), 3);
    expect(Array.from({ length: 13 }, () => example.next())).to.deep.equal([
      ...[0, 1, 2, 3, 4, 5, 6, 7],
      ...[6, 6, 6, 6, 6],
    ]);
  });

  it('that are more or others than its bytes hold are an error', () => {
    const bytes = deltaPacked([5n, 6n, 7n], 64);
    expect(() => readAll('DELTA_BINARY_PACKED', 'INT64', bytes, 40)).to.throw(ParquetError);
    expect(() => readAll('DELTA_BINARY_PACKED', 'INT64', bytes.slice(0, 6), 3)).to.throw(ParquetError);
    expect(() => readAll('DELTA_LENGTH_BYTE_ARRAY', 'BYTE_ARRAY', bytes, 2)).to.throw(ParquetError);
    expect(() => readAll('PLAIN', 'BYTE_ARRAY', [255, 255, 255, 255, 1], 1)).to.throw(ParquetError);
    expect(() => readAll('RLE_DICTIONARY', 'BYTE_ARRAY', [1, 2, 1], 1)).to.throw(ParquetError, 'dictionary');
    expect(() => readAll('BYTE_STREAM_SPLIT', 'DOUBLE', [], 1)).to.throw(ParquetError, 'BYTE_STREAM_SPLIT');
  });
});

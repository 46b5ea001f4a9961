import { bitsAt, ByteCursor } from './bits.js';
import { DeltaReader } from './delta-reader.js';
import { ParquetError } from './errors.js';
import { HybridReader } from './hybrid-reader.js';

/** The physical types that there are. */
export const PHYSICAL_TYPES = [
  ...([
    'BOOLEAN',
    'INT32',
    'INT64',
    'INT96',
    'FLOAT',
    'DOUBLE',
    'BYTE_ARRAY',
    'FIXED_LEN_BYTE_ARRAY',
  ] as const),
] as const;

export type PhysicalType = (typeof PHYSICAL_TYPES)[number];

/** An INT64 is a bigint; an INT96 and any BYTE_ARRAY are views of their page; a BOOLEAN is 0 or 1. */
export type Value = number | bigint | Buffer;

export interface ValueReader {
  next(): Value;
}

/** Values that can be asked for by their places. */
export interface Dictionary {
  at(place: number): Value;
}

/**
 * The values of a data page, read where they lie, one at a time: a page may hold a million of them.
 *
 * @param count how many the page can have at most
 * @param length bytes of a FIXED_LEN_BYTE_ARRAY
 * @throws ParquetError also while it is read
 */
export function valueReader(
  encoding: string,
  type: PhysicalType,
  bytes: Buffer,
  count: number,
  dictionary: Dictionary | null,
  length = 0,
): ValueReader {
  switch (encoding) {
    case 'PLAIN':
      return plainReader(type, bytes, length);
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY':
      return dictionaryReader(bytes, dictionary);
    case 'DELTA_BINARY_PACKED':
      if (type === 'INT32' || type === 'INT64') return deltaReader(type, bytes);
      break;
    case 'DELTA_LENGTH_BYTE_ARRAY':
      if (type === 'BYTE_ARRAY') return lengthsAndTexts(new ByteCursor(bytes), count);
      break;
    case 'DELTA_BYTE_ARRAY':
      if (type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY')
        return sharedPrefixes(new ByteCursor(bytes), count);
      break;
  }
  throw new ParquetError(`values of type ${type} in the encoding ${encoding} are not read`);
}

function plainReader(type: PhysicalType, bytes: Buffer, length: number): ValueReader {
  if (type === 'BOOLEAN') {
    let bit = 0;
    return { next: () => bitsAt(bytes, bit++, 1) };
  }
  const cursor = new ByteCursor(bytes);
  const plain = PLAIN[type];
  return { next: () => plain(cursor, length) };
}

/** A value of PLAIN. */
const PLAIN = {
  INT32: (cursor: ByteCursor): number => cursor.bytes.readInt32LE(cursor.skip(4)),
  INT64: (cursor: ByteCursor): bigint => cursor.bytes.readBigInt64LE(cursor.skip(8)),
  INT96: (cursor: ByteCursor): Buffer => cursor.take(12),
  FLOAT: (cursor: ByteCursor): number => cursor.bytes.readFloatLE(cursor.skip(4)),
  DOUBLE: (cursor: ByteCursor): number => cursor.bytes.readDoubleLE(cursor.skip(8)),
  BYTE_ARRAY: (cursor: ByteCursor): Buffer => cursor.take(cursor.bytes.readUInt32LE(cursor.skip(4))),
  FIXED_LEN_BYTE_ARRAY: (cursor: ByteCursor, length: number): Buffer => cursor.take(length),
} satisfies Readonly<Record<Exclude<PhysicalType, 'BOOLEAN'>, (cursor: ByteCursor, length: number) => Value>>;

function dictionaryReader(bytes: Buffer, dictionary: Dictionary | null): ValueReader {
  if (dictionary === null) throw new ParquetError('a page refers to a dictionary that is not there');
  // A page of nulls may have nothing here, not even the width.
  const places = new HybridReader(bytes.subarray(1), bytes[0] ?? 0);
  return { next: () => dictionary.at(places.next()) };
}

function deltaReader(type: 'INT32' | 'INT64', bytes: Buffer): ValueReader {
  const reader = new DeltaReader(new ByteCursor(bytes), type === 'INT32' ? 32 : 64);
  return type === 'INT32' ? { next: () => Number(reader.next()) } : reader;
}

/** The lengths that stand before texts, read as they are asked for; the cursor goes behind them. */
function lengthsAt(cursor: ByteCursor, count: number): () => number {
  const lengths = new DeltaReader(new ByteCursor(cursor.bytes, cursor.offset), 32);
  const end = new DeltaReader(cursor, 32);
  if (end.count > count) throw new ParquetError('a page has more values than it says');
  end.skipAll();
  let left = lengths.count;
  return () => {
    if (left === 0) throw new ParquetError('a page has less values than it says');
    left -= 1;
    return lengths.nextLength();
  };
}

function lengthsAndTexts(cursor: ByteCursor, count: number): { next(): Buffer } {
  const nextLength = lengthsAt(cursor, count);
  return { next: () => cursor.take(nextLength()) };
}

/** What each of a page's texts copies from the one before it: of 100 MB, texts of one more byte each would copy petabytes. */
const MAX_SHARED_PREFIX = 1024 * 1024;

/** Each text shares its beginning with the one before it. */
function sharedPrefixes(cursor: ByteCursor, count: number): ValueReader {
  const nextPrefix = lengthsAt(cursor, count);
  const suffixes = lengthsAndTexts(cursor, count);
  let last: Buffer = Buffer.alloc(0);
  return {
    next: () => {
      const prefix = nextPrefix();
      if (prefix > last.length) throw new ParquetError('a text begins with more than there was before it');
      if (prefix > MAX_SHARED_PREFIX)
        throw new ParquetError(`texts that share more than ${MAX_SHARED_PREFIX} bytes`);
      last = Buffer.concat([last.subarray(0, prefix), suffixes.next()]);
      return last;
    },
  };
}

/** The values of a dictionary page. Where each text begins is kept in four bytes. */
export function dictionaryOf(type: PhysicalType, bytes: Buffer, count: number, length = 0): Dictionary {
  if (type === 'BOOLEAN') throw new ParquetError('a dictionary of BOOLEAN is not read');
  const size = {
    INT32: 4,
    INT64: 8,
    INT96: 12,
    FLOAT: 4,
    DOUBLE: 8,
    BYTE_ARRAY: 4,
    FIXED_LEN_BYTE_ARRAY: length,
  }[type]; // of a text: at least its length
  if (!(count >= 0 && count * size <= bytes.length))
    throw new ParquetError('a dictionary has less values than it says');
  const starts = type === 'BYTE_ARRAY' ? startsOf(bytes, count) : null;
  const plain = PLAIN[type];
  const cursor = new ByteCursor(bytes);
  return {
    at: (place) => {
      if (place >= count) throw new ParquetError('a page refers to a value that its dictionary lacks');
      cursor.offset = starts === null ? place * size : (starts[place] ?? 0);
      return plain(cursor, length);
    },
  };
}

function startsOf(bytes: Buffer, count: number): Uint32Array {
  const starts = new Uint32Array(count);
  const cursor = new ByteCursor(bytes);
  for (let index = 0; index < count; index += 1) {
    starts[index] = cursor.offset;
    PLAIN.BYTE_ARRAY(cursor);
  }
  return starts;
}

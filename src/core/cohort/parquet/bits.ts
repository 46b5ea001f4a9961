import { ParquetError } from './errors.js';

/** Reads a page's bytes from front to back; what goes beyond them is an error, never zeros. */
export class ByteCursor {
  readonly bytes: Buffer;
  offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
  }

  byte(): number {
    const value = this.bytes[this.offset];
    if (value === undefined) throw endsTooEarly();
    this.offset += 1;
    return value;
  }

  /** A view, no copy. */
  take(length: number): Buffer {
    const start = this.skip(length);
    return this.bytes.subarray(start, this.offset);
  }

  /** Goes on by that many bytes. @returns where they begin */
  skip(length: number): number {
    const start = this.offset;
    if (length < 0 || start + length > this.bytes.length) throw endsTooEarly();
    this.offset = start + length;
    return start;
  }

  /** ULEB128 of at most 32 bits. */
  varint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new ParquetError('a number in a page is too large');
  }

  /** ULEB128 of at most 64 bits, its sign in the lowest one. */
  zigzag(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
    throw new ParquetError('a number in a page is too large');
  }
}

export function endsTooEarly(): ParquetError {
  return new ParquetError('a page ends too early');
}

/** The `width` bits (at most 32) from bit `at` on, the lowest first, as all of parquet packs them. */
export function bitsAt(bytes: Buffer, at: number, width: number): number {
  let value = 0;
  for (let got = 0; got < width;) {
    const byte = bytes[Math.floor((at + got) / 8)];
    if (byte === undefined) throw endsTooEarly();
    const skip = (at + got) % 8;
    const count = Math.min(8 - skip, width - got);
    value += ((byte >> skip) & ((1 << count) - 1)) * 2 ** got;
    got += count;
  }
  return value;
}

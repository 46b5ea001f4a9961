import type { ByteCursor } from './bits.js';
import { bitsAt } from './bits.js';
import { ParquetError } from './errors.js';

/** Writers make miniblocks of 32 values; the specification says multiples of 32. */
const MAX_MINIBLOCKS = 1024;

/** Integers of DELTA_BINARY_PACKED (Parquet encodings): the first, and then differences, packed in miniblocks. */
export class DeltaReader {
  readonly #cursor: ByteCursor;
  readonly #bits: 32 | 64;
  readonly #perMiniblock: number;
  readonly #miniblocks: number;
  readonly count: number;
  #widths: Buffer = Buffer.alloc(0);
  #miniblock = 0;
  #minDelta = 0n;
  #last: bigint;
  #given = 0;
  #leftInMiniblock = 0;
  #bit = 0;
  #width = 0;

  constructor(cursor: ByteCursor, bits: 32 | 64) {
    this.#cursor = cursor;
    this.#bits = bits;
    const blockSize = cursor.varint();
    this.#miniblocks = cursor.varint();
    this.count = cursor.varint();
    this.#last = cursor.zigzag();
    this.#perMiniblock = blockSize / this.#miniblocks;
    if (!(this.#miniblocks <= MAX_MINIBLOCKS && this.#perMiniblock > 0 && this.#perMiniblock % 8 === 0))
      throw new ParquetError('a page has blocks of no valid size');
    this.#miniblock = this.#miniblocks;
  }

  next(): bigint {
    if (this.#given > 0) {
      if (this.#leftInMiniblock === 0) this.#startMiniblock();
      this.#leftInMiniblock -= 1;
      this.#last = BigInt.asIntN(this.#bits, this.#last + this.#minDelta + this.#delta());
    }
    this.#given += 1;
    return this.#last;
  }

  /** The next of them, where they are lengths. */
  nextLength(): number {
    const length = this.next();
    if (length < 0n) throw new ParquetError('a text of less than no length');
    return Number(length);
  }

  /**
   * Goes behind all of them, with the cursor too. In blocks: a page may say that it has billions of values, which take
   * no bytes when all are the same.
   */
  skipAll(): void {
    this.#given = 1;
    while (this.#given < this.count) {
      this.#startMiniblock();
      this.#given += this.#perMiniblock;
    }
  }

  #startMiniblock(): void {
    if (this.#given >= this.count) throw new ParquetError('a page has less values than it says');
    const cursor = this.#cursor;
    if (this.#miniblock === this.#miniblocks) {
      this.#minDelta = cursor.zigzag();
      this.#widths = cursor.take(this.#miniblocks);
      this.#miniblock = 0;
    }
    this.#width = this.#widths[this.#miniblock] ?? 0;
    if (this.#width > 64) throw new ParquetError('a page packs values into more than 64 bits');
    this.#miniblock += 1;
    this.#leftInMiniblock = this.#perMiniblock;
    this.#bit = cursor.offset * 8;
    cursor.take((this.#perMiniblock / 8) * this.#width);
  }

  #delta(): bigint {
    const at = this.#bit;
    this.#bit += this.#width;
    const { bytes } = this.#cursor;
    if (this.#width <= 32) return BigInt(bitsAt(bytes, at, this.#width));
    return (BigInt(bitsAt(bytes, at + 32, this.#width - 32)) << 32n) | BigInt(bitsAt(bytes, at, 32));
  }
}

import { bitsAt, ByteCursor } from './bits.js';
import { ParquetError } from './errors.js';

/**
 * Levels and places in a dictionary, one after the other: runs of a repeated value, and of bit-packed ones (Parquet
 * encodings, RLE / bit-packing hybrid).
 */
export class HybridReader {
  readonly #cursor: ByteCursor;
  readonly #width: number;
  #left = 0;
  /** null = the run is bit-packed. */
  #repeated: number | null = null;
  #bit = 0;

  /** @param width bits of a value */
  constructor(bytes: Buffer, width: number) {
    if (width > 32) throw new ParquetError('a page packs values into more than 32 bits');
    this.#cursor = new ByteCursor(bytes);
    this.#width = width;
  }

  next(): number {
    while (this.#left === 0) this.#startRun();
    this.#left -= 1;
    if (this.#repeated !== null) return this.#repeated;
    const value = bitsAt(this.#cursor.bytes, this.#bit, this.#width);
    this.#bit += this.#width;
    return value;
  }

  #startRun(): void {
    const cursor = this.#cursor;
    const header = cursor.varint();
    const isPacked = header % 2 === 1;
    const count = Math.floor(header / 2);
    if (!isPacked) {
      this.#left = count;
      this.#repeated = bitsAt(cursor.take(Math.ceil(this.#width / 8)), 0, this.#width);
      return;
    }
    this.#left = count * 8;
    this.#repeated = null;
    this.#bit = cursor.offset * 8;
    // There are writers that leave out the last group's padding.
    cursor.offset = Math.min(cursor.offset + count * this.#width, cursor.bytes.length);
  }
}

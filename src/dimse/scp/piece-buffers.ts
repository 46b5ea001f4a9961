/** What is kept for the next files, about four megabytes. */
const MOST_KEPT = 8;

/**
 * Where the pieces of files are read into, the same few buffers again and again: the kernel clears each page of a new one,
 * which for a piece takes longer than reading and sending it.
 */
export class PieceBuffers {
  readonly #length: number;
  readonly #free: Buffer[] = [];

  /** @param length of each buffer, in bytes */
  constructor(length: number) {
    this.#length = length;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#length);
  }

  /** The buffer that a piece lies in, by who has no use for it any more. One that is never given back is no loss. */
  give(piece: Buffer): void {
    if (this.#free.length < MOST_KEPT) this.#free.push(Buffer.from(piece.buffer));
  }
}

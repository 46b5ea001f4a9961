/** Pieces below this size are copied together: as objects of their own they would take more memory than their bytes. */
const SMALL_PIECE = 2_048;
const BLOCK_LENGTH = 16_384;

/** What may be given up is given up when so much is held. */
const SPILL_LENGTH = 8 * 1024 * 1024 - 65_536;

const NO_BLOCK = Buffer.alloc(0);

/** A change to held bytes: `removed` bytes at `at` give way to `inserted`. */
export interface Edit {
  readonly at: number;
  readonly removed: number;
  readonly inserted: Buffer;
}

/** The beginning of a byte stream, kept in the pieces in which it came. Positions count from its first byte. */
export class HeldBytes {
  readonly #pieces: Buffer[] = [];
  /** The position of each piece's first byte. */
  readonly #starts: number[] = [];
  #length = 0;
  #ended = false;
  /** The piece that was read last: readers go forward. */
  #cursor = 0;
  /** Where small pieces are copied to; the last held piece may be a view of its used part. */
  #block: Buffer = NO_BLOCK;
  #blockUsed = 0;
  #openFrom: number | null = null;
  #released = 0;
  #spillable = 0;
  #edits: Edit[] = [];
  readonly #passOn: ((bytes: Buffer) => void) | null;

  /** @param passOn is given what is released, in its order; without it that is dropped */
  constructor(passOn: ((bytes: Buffer) => void) | null = null) {
    this.#passOn = passOn;
  }

  get length(): number {
    return this.#length;
  }

  /** The stream has no more bytes than are held. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What comes before this position is not held any more. */
  get released(): number {
    return this.#released;
  }

  /** What is to be changed when the bytes are given on. Edits don't overlap; what one removes is released as a whole. */
  edit(edit: Edit): void {
    this.#edits.push(edit);
  }

  /** Gives up the bytes before a position, those that have yet to come too. They can't be read again. */
  release(before: number): void {
    if (before <= this.#released) return;
    if (this.#passOn !== null)
      for (const part of this.#edited(Math.min(before, this.#length))) this.#passOn(part);
    this.#edits = this.#edits.filter(({ at }) => at >= before);
    this.#released = before;
    let count = 0;
    while (count < this.#pieces.length && (this.#starts[count + 1] ?? this.#length) <= before) count += 1;
    this.#pieces.splice(0, count);
    this.#starts.splice(0, count);
    if (this.#pieces.length === 0) this.#openFrom = null;
    this.#cursor = 0;
  }

  /** The bytes before a position may be given up, and are when there is no room for more. */
  spill(before: number): void {
    this.#spillable = Math.max(this.#spillable, before);
    this.#makeRoom();
  }

  /** What comes before this position need not be held. */
  get neededFrom(): number {
    return Math.max(this.#released, this.#spillable);
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    if (this.#length < this.#released) this.#passOn?.(piece.subarray(0, this.#released - this.#length));
    if (this.#length + piece.length <= this.#released) this.#openFrom = null;
    else if (piece.length < SMALL_PIECE) this.#pushSmall(piece);
    else {
      this.#openFrom = null;
      this.#add(piece);
    }
    this.#length += piece.length;
    this.#makeRoom();
  }

  end(): void {
    this.#ended = true;
  }

  /** `length` bytes from `at` on, all of them held; a view where they lie in one piece. */
  view(at: number, length: number): Buffer {
    let index = this.#seek(at);
    let piece = this.#pieces[index] ?? NO_BLOCK;
    const from = at - (this.#starts[index] ?? 0);
    if (from + length <= piece.length) return piece.subarray(from, from + length);
    const bytes = Buffer.allocUnsafe(length);
    let filled = piece.copy(bytes, 0, from);
    while (filled < length) {
      index += 1;
      piece = this.#pieces[index] ?? NO_BLOCK;
      if (piece.length === 0) throw new RangeError('bytes that are not held');
      filled += piece.copy(bytes, filled);
    }
    return bytes;
  }

  /** What of the bytes from `at` on lies in one piece; a view, and empty when they have not come yet. */
  pieceFrom(at: number): Buffer {
    if (at >= this.#length) return NO_BLOCK;
    const index = this.#seek(at);
    return (this.#pieces[index] ?? NO_BLOCK).subarray(at - (this.#starts[index] ?? 0));
  }

  /** What is held between two positions, as views. */
  range(from: number, to: number): Buffer[] {
    const parts: Buffer[] = [];
    this.#addRange(parts, from, to);
    return parts;
  }

  /** All that is held, with the edits made: views of the pieces with the inserted bytes between. */
  rest(): Buffer[] {
    return this.#edited(Infinity);
  }

  /** What is held before a position, with the edits that begin there. */
  #edited(before: number): Buffer[] {
    const parts: Buffer[] = [];
    let from = this.#released;
    this.#cursor = 0;
    const edits = this.#edits.filter(({ at }) => at < before);
    for (const edit of edits.sort((one, other) => one.at - other.at)) {
      this.#addRange(parts, from, edit.at);
      if (edit.inserted.length > 0) parts.push(edit.inserted);
      from = edit.at + edit.removed;
    }
    this.#addRange(parts, from, Math.min(before, this.#length));
    return parts;
  }

  #makeRoom(): void {
    if (this.#length - this.#released > SPILL_LENGTH) this.release(this.#spillable);
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#starts.push(this.#length);
  }

  #pushSmall(piece: Buffer): void {
    if (this.#blockUsed + piece.length > this.#block.length) {
      this.#block = Buffer.allocUnsafe(BLOCK_LENGTH);
      this.#blockUsed = 0;
      this.#openFrom = null;
    }
    piece.copy(this.#block, this.#blockUsed);
    const end = this.#blockUsed + piece.length;
    if (this.#openFrom === null) {
      this.#openFrom = this.#blockUsed;
      this.#add(this.#block.subarray(this.#openFrom, end));
    } else this.#pieces[this.#pieces.length - 1] = this.#block.subarray(this.#openFrom, end);
    this.#blockUsed = end;
  }

  /** The index of the piece that holds the position. */
  #seek(at: number): number {
    if (at < (this.#starts[this.#cursor] ?? 0)) this.#cursor = 0;
    while (at >= (this.#starts[this.#cursor + 1] ?? Infinity)) this.#cursor += 1;
    return this.#cursor;
  }

  #addRange(parts: Buffer[], from: number, to: number): void {
    let at = from;
    while (at < to) {
      const index = this.#seek(at);
      const start = this.#starts[index] ?? 0;
      const part = (this.#pieces[index] ?? NO_BLOCK).subarray(at - start, to - start);
      if (part.length === 0) return;
      parts.push(part);
      at += part.length;
    }
  }
}

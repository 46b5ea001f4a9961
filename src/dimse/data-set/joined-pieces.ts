/** Bytes below this size are put together: hundreds of small writes cost more than their bytes. */
const SMALL = 4096;

/** What was given out since it was last taken. */
export class JoinedPieces {
  #pieces: Buffer[] = [];
  #small: Buffer[] = [];

  add(bytes: Buffer): void {
    if (bytes.length < SMALL) this.#small.push(bytes);
    else {
      this.#join();
      this.#pieces.push(bytes);
    }
  }

  take(): Buffer[] {
    this.#join();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  #join(): void {
    if (this.#small.length > 0) this.#pieces.push(Buffer.concat(this.#small));
    this.#small = [];
  }
}

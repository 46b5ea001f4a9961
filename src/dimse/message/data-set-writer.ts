import { pDataHeader } from '../upper-layer/encode.js';

/** Pieces come as the source's PDVs cut them, often 16 KiB; each write to the socket costs the same, however little is in it. */
const WORTH_A_WRITE = 64 * 1024;

interface Pending {
  readonly piece: Buffer;
  /** What of it has not been sent. */
  rest: Buffer;
}

/**
 * Sends a data set of unknown length as P-DATA-TF PDUs of the longest size that the peer takes, one PDV each
 * (PS3.8 annex E), without copying it: the pieces go to the socket as they came, behind headers of 12 bytes.
 */
export class DataSetWriter {
  readonly #presentationContextId: number;
  readonly #maxDataLength: number;
  readonly #send: (parts: readonly Buffer[], taken: () => void) => Promise<void>;
  readonly #sent: ((piece: Buffer) => void) | undefined;
  #pending: Pending[] = [];
  #pendingLength = 0;
  /** Pieces whose last bytes are among the parts that are sent next. */
  #ending: Buffer[] = [];

  /**
   * @param send writes the parts at once, resolves when more may be written, and tells when these are `taken`
   * @param sent told of each piece when the last of its bytes is taken
   */
  constructor(
    presentationContextId: number,
    maxDataLength: number,
    send: (parts: readonly Buffer[], taken: () => void) => Promise<void>,
    sent?: (piece: Buffer) => void,
  ) {
    this.#presentationContextId = presentationContextId;
    this.#maxDataLength = maxDataLength;
    this.#send = send;
    this.#sent = sent;
  }

  /** Resolves when more may be written. At least one byte is kept back, for the PDV that is to be the last. */
  async write(piece: Buffer): Promise<void> {
    this.#pending.push({ piece, rest: piece });
    this.#pendingLength += piece.length;
    if (this.#pendingLength <= Math.max(this.#maxDataLength, WORTH_A_WRITE)) return;
    await this.#sendParts(this.#fullPdvs());
  }

  /** Sends the last PDV. */
  async end(): Promise<void> {
    const parts = this.#fullPdvs();
    this.#addPdv(parts, this.#pendingLength, true);
    await this.#sendParts(parts);
  }

  async #sendParts(parts: readonly Buffer[]): Promise<void> {
    const ended = this.#ending;
    this.#ending = [];
    await this.#send(parts, () => {
      for (const piece of ended) this.#sent?.(piece);
    });
  }

  #fullPdvs(): Buffer[] {
    const parts: Buffer[] = [];
    while (this.#pendingLength > this.#maxDataLength) this.#addPdv(parts, this.#maxDataLength, false);
    return parts;
  }

  #addPdv(parts: Buffer[], length: number, isLast: boolean): void {
    parts.push(
      pDataHeader({ presentationContextId: this.#presentationContextId, isCommand: false, isLast }, length),
    );
    let left = length;
    let used = 0;
    for (const pending of this.#pending) {
      const { piece, rest } = pending;
      if (left === 0) break;
      if (rest.length > left) {
        parts.push(rest.subarray(0, left));
        pending.rest = rest.subarray(left);
        left = 0;
      } else {
        parts.push(rest);
        this.#ending.push(piece);
        left -= rest.length;
        used += 1;
      }
    }
    this.#pending.splice(0, used);
    this.#pendingLength -= length;
  }
}

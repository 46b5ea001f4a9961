import { pDataHeader } from '../upper-layer/encode.js';

/** Pieces come as the source's PDVs cut them, often 16 KiB; each write to the socket costs the same, however little is in it. */
const WORTH_A_WRITE = 64 * 1024;

/**
 * Sends a data set of unknown length as P-DATA-TF PDUs of the longest size that the peer takes, one PDV each
 * (PS3.8 annex E), without copying it: the pieces go to the socket as they came, behind headers of 12 bytes.
 */
export class DataSetWriter {
  readonly #presentationContextId: number;
  readonly #maxDataLength: number;
  readonly #send: (parts: readonly Buffer[]) => Promise<void>;
  #pending: Buffer[] = [];
  #pendingLength = 0;

  /** @param send writes the parts at once and resolves when more may be written */
  constructor(
    presentationContextId: number,
    maxDataLength: number,
    send: (parts: readonly Buffer[]) => Promise<void>,
  ) {
    this.#presentationContextId = presentationContextId;
    this.#maxDataLength = maxDataLength;
    this.#send = send;
  }

  /** Resolves when more may be written. At least one byte is kept back, for the PDV that is to be the last. */
  async write(piece: Buffer): Promise<void> {
    this.#pending.push(piece);
    this.#pendingLength += piece.length;
    if (this.#pendingLength <= Math.max(this.#maxDataLength, WORTH_A_WRITE)) return;
    await this.#send(this.#fullPdvs());
  }

  /** Sends the last PDV. */
  async end(): Promise<void> {
    const parts = this.#fullPdvs();
    this.#addPdv(parts, this.#pendingLength, true);
    await this.#send(parts);
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
    for (const piece of this.#pending) {
      if (left === 0) break;
      if (piece.length > left) {
        parts.push(piece.subarray(0, left));
        this.#pending[used] = piece.subarray(left);
        left = 0;
      } else {
        parts.push(piece);
        left -= piece.length;
        used += 1;
      }
    }
    this.#pending.splice(0, used);
    this.#pendingLength -= length;
  }
}

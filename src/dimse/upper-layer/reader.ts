import { decodeControlPdu, PduError } from './decode.js';
import { PDU_HEADER_LENGTH, PDV_HEADER_LENGTH } from './encode.js';
import { PDU_TYPE_CODES, type ControlPdu, type PduType } from './pdu.js';

/**
 * A piece of a PDV's value as it came off the wire. Data sets are handed on in such pieces, so that no PDU is
 * ever collected or copied; the first piece of a PDV comes as soon as its header is there, empty if need be.
 */
export interface PdvPiece {
  readonly kind: 'pdv';
  readonly presentationContextId: number;
  readonly isCommand: boolean;
  /** The PDV is the last of its command or data set (message control header, PS3.8 E.2). */
  readonly isLast: boolean;
  /** The first piece of its PDV. */
  readonly begins: boolean;
  /** The last piece of its PDV. */
  readonly ends: boolean;
  /** A view of the chunk that was pushed; copy what is kept. */
  readonly data: Buffer;
}

/** What the bytes turned out to be, in wire order. `p-data` announces a P-DATA-TF PDU; its PDVs follow. */
export type ReadEvent =
  { readonly kind: 'pdu'; readonly pdu: ControlPdu } | { readonly kind: 'p-data' } | PdvPiece;

/** An A-ASSOCIATE PDU with 128 contexts of 30 transfer syntaxes each takes about 130 kB. */
const MAX_ASSOCIATE_LENGTH = 1 << 18;

const TYPES: ReadonlyMap<number, PduType> = new Map(
  Object.entries(PDU_TYPE_CODES).map(([type, code]) => [code, type as PduType]),
);

const NO_DATA = Buffer.alloc(0);

/** What the bytes that are being collected will be. */
type Step =
  | { readonly kind: 'pdu-header' }
  | { readonly kind: 'control'; readonly type: ControlPdu['type'] }
  | { readonly kind: 'pdv-header' };

const PDU_HEADER: Step = { kind: 'pdu-header' };
const PDV_HEADER: Step = { kind: 'pdv-header' };

/** The PDV whose value is passing by. */
interface OpenPdv {
  readonly presentationContextId: number;
  readonly isCommand: boolean;
  readonly isLast: boolean;
}

/**
 * Cuts a byte stream into PDUs (PS3.8 9.3), whatever the sizes in which it arrives. Keeps at most one control
 * PDU; every length is checked before a byte of what it announces is kept.
 */
export class PduReader {
  readonly #maximumLength: number;
  #step: Step = PDU_HEADER;
  /** How many bytes the step wants, and those that came so far. */
  #needed = PDU_HEADER_LENGTH;
  #kept: Buffer = NO_DATA;
  #keptLength = 0;
  /** What is left of the P-DATA-TF PDU and of the PDV in it. */
  #pDataLeft = 0;
  #pdv: OpenPdv | null = null;
  #pdvLeft = 0;

  /** @param maximumLength the longest P-DATA-TF variable field that we said we take, in bytes; 0 is no limit (PS3.8 D.1) */
  constructor(maximumLength: number) {
    this.#maximumLength = maximumLength === 0 ? Infinity : maximumLength;
  }

  /** Whether the stream may end here without cutting a PDU in two. */
  get betweenPdus(): boolean {
    return this.#step.kind === 'pdu-header' && this.#keptLength === 0;
  }

  /**
   * The events that this chunk completes, in wire order. Stop iterating to stop reading; the reader is then of
   * no more use.
   *
   * @throws PduError (while iterating) at the first byte that can't be right
   */
  *push(chunk: Buffer): Generator<ReadEvent, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#pdv !== null) {
        const data = chunk.subarray(at, at + this.#pdvLeft);
        at += data.length;
        yield this.#passValue(this.#pdv, data);
        continue;
      }
      const piece = chunk.subarray(at, at + this.#needed - this.#keptLength);
      at += piece.length;
      const bytes = this.#collect(piece);
      if (bytes === null) return;
      const event = this.#take(bytes);
      if (event !== null) yield event;
    }
  }

  /** The bytes that the step wants, or null when there are not enough of them yet. */
  #collect(piece: Buffer): Buffer | null {
    if (piece.length === this.#needed) return piece;
    const length = this.#keptLength + piece.length;
    if (length > this.#kept.length) {
      // Twice what has come, not all that was announced; and not anew for each byte of a peer that sends single ones.
      const larger = Buffer.allocUnsafe(Math.min(this.#needed, 2 * length));
      this.#kept.copy(larger, 0, 0, this.#keptLength);
      this.#kept = larger;
    }
    // The chunk belongs to the socket: what outlives this call is copied.
    piece.copy(this.#kept, this.#keptLength);
    this.#keptLength = length;
    if (length < this.#needed) return null;
    const bytes = this.#kept.subarray(0, length);
    this.#kept = NO_DATA;
    this.#keptLength = 0;
    return bytes;
  }

  #take(bytes: Buffer): ReadEvent | null {
    switch (this.#step.kind) {
      case 'pdu-header':
        return this.#takePduHeader(bytes);
      case 'control': {
        const { type } = this.#step;
        this.#expect(PDU_HEADER, PDU_HEADER_LENGTH);
        return { kind: 'pdu', pdu: decodeControlPdu(type, bytes) };
      }
      case 'pdv-header':
        return this.#takePdvHeader(bytes);
    }
  }

  #takePduHeader(header: Buffer): ReadEvent | null {
    const code = header.readUInt8(0);
    const type = TYPES.get(code);
    if (type === undefined) throw new PduError(`PDU type ${code} does not exist`, 'unrecognized PDU');
    const length = header.readUInt32BE(2);
    if (type === 'P-DATA-TF') {
      if (length > this.#maximumLength)
        throw new PduError(`P-DATA-TF of ${length} bytes, over our maximum length of ${this.#maximumLength}`);
      this.#pDataLeft = length;
      this.#expectPdv();
      return { kind: 'p-data' };
    }
    const associate = type === 'A-ASSOCIATE-RQ' || type === 'A-ASSOCIATE-AC';
    if (associate ? length > MAX_ASSOCIATE_LENGTH || length < 68 : length !== 4)
      throw new PduError(`${type} of ${length} bytes`);
    this.#expect({ kind: 'control', type }, length);
    return null;
  }

  #takePdvHeader(header: Buffer): ReadEvent {
    const length = header.readUInt32BE(0);
    if (length < 2 || length - 2 > this.#pDataLeft - PDV_HEADER_LENGTH)
      throw new PduError(`PDV of ${length} bytes does not fit its P-DATA-TF PDU`);
    const control = header.readUInt8(5);
    this.#pDataLeft -= PDV_HEADER_LENGTH;
    this.#pdvLeft = length - 2;
    const pdv: OpenPdv = {
      presentationContextId: header.readUInt8(4),
      isCommand: (control & 1) === 1,
      isLast: (control & 2) === 2,
    };
    if (this.#pdvLeft === 0) this.#expectPdv();
    else this.#pdv = pdv;
    return { kind: 'pdv', ...pdv, begins: true, ends: this.#pdvLeft === 0, data: NO_DATA };
  }

  #passValue(pdv: OpenPdv, data: Buffer): PdvPiece {
    this.#pdvLeft -= data.length;
    this.#pDataLeft -= data.length;
    const ends = this.#pdvLeft === 0;
    if (ends) {
      this.#pdv = null;
      this.#expectPdv();
    }
    return { kind: 'pdv', ...pdv, begins: false, ends, data };
  }

  /** The next PDV of the P-DATA-TF PDU, or after its last one the next PDU. */
  #expectPdv(): void {
    if (this.#pDataLeft === 0) {
      this.#expect(PDU_HEADER, PDU_HEADER_LENGTH);
      return;
    }
    if (this.#pDataLeft < PDV_HEADER_LENGTH)
      throw new PduError('P-DATA-TF: bytes left over after the last PDV');
    this.#expect(PDV_HEADER, PDV_HEADER_LENGTH);
  }

  #expect(step: Step, bytes: number): void {
    this.#step = step;
    this.#needed = bytes;
  }
}

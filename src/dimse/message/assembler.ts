import type { PdvPiece } from '../upper-layer/reader.js';
import { PduError } from '../upper-layer/decode.js';
import { CommandSetError, decodeCommandSet, type ReceivedCommand } from './command-set.js';

/** What the pieces of PDVs amount to (PS3.7 6.3.1, PS3.8 annex E): a command set whole, a data set in pieces. */
export type MessageEvent =
  /** The header of a command's first PDV is there: the peer has begun to answer or to ask. */
  | { readonly kind: 'command-begins' }
  | ({ readonly kind: 'command'; readonly presentationContextId: number } & ReceivedCommand)
  /** `ends`: nothing of the data set comes after this piece, which may be empty. */
  | { readonly kind: 'data'; readonly data: Buffer; readonly ends: boolean };

/** A command set takes a few hundred bytes; but there are lists of failed instances in them, of 65 bytes to an instance. */
export const MAX_COMMAND_SET_LENGTH = 1 << 20;

/** Puts pieces of PDVs together to messages; state is reset by each message, so nothing of one reaches the next. */
export class MessageAssembler {
  #command: { readonly presentationContextId: number; pieces: Buffer[]; cost: number } | null = null;
  #dataSetContextId: number | null = null;

  /** A command's first PDV has begun and its last has not ended. */
  get inCommand(): boolean {
    return this.#command !== null;
  }

  /** @throws PduError when the pieces make no message */
  accept(piece: PdvPiece): MessageEvent | null {
    try {
      return piece.isCommand ? this.#commandPiece(piece) : this.#dataPiece(piece);
    } catch (error) {
      if (error instanceof CommandSetError) throw new PduError(error.message);
      throw error;
    }
  }

  #commandPiece(piece: PdvPiece): MessageEvent | null {
    if (this.#dataSetContextId !== null) throw new CommandSetError('a command within a data set');
    const begins = this.#command === null;
    const command = (this.#command ??= {
      presentationContextId: piece.presentationContextId,
      pieces: [],
      cost: 0,
    });
    if (command.presentationContextId !== piece.presentationContextId)
      throw new CommandSetError('a command over two presentation contexts');
    // A piece without bytes counts too: there may be endlessly many.
    command.cost += Math.max(1, piece.data.length);
    if (command.cost > MAX_COMMAND_SET_LENGTH)
      throw new CommandSetError(`a command set of more than ${MAX_COMMAND_SET_LENGTH} bytes`);
    command.pieces.push(piece.data);
    if (!piece.ends || !piece.isLast) return begins ? { kind: 'command-begins' } : null;
    this.#command = null;
    const received = decodeCommandSet(Buffer.concat(command.pieces));
    if (received.hasDataSet) this.#dataSetContextId = command.presentationContextId;
    return { kind: 'command', presentationContextId: command.presentationContextId, ...received };
  }

  #dataPiece(piece: PdvPiece): MessageEvent | null {
    if (this.#dataSetContextId === null) throw new CommandSetError('a data set without a command');
    if (this.#dataSetContextId !== piece.presentationContextId)
      throw new CommandSetError('a data set in another presentation context than its command');
    const ends = piece.ends && piece.isLast;
    if (ends) this.#dataSetContextId = null;
    return piece.data.length > 0 || ends ? { kind: 'data', data: piece.data, ends } : null;
  }
}

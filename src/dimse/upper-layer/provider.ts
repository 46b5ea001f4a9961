import type { Socket } from 'node:net';
import type { PixlError } from '../../core/errors.js';
import {
  AssociationAbortedError,
  AssociationEndedError,
  AssociationRejectedError,
  ProtocolError,
} from '../errors.js';
import { PduError } from './decode.js';
import { encodePdu } from './encode.js';
import type { AssociateAcPdu, AssociateRqPdu, ControlPdu, ProviderAbortReason } from './pdu.js';
import { PduReader, type PdvPiece, type ReadEvent } from './reader.js';
import { transportError } from './transport.js';
import { transition, type Action, type Event, type State } from './state-machine.js';

/** What the upper layer tells its user (PS3.8 7: the indications and confirmations). Called synchronously, in wire order. */
export interface UpperLayerUser {
  /** A-ASSOCIATE confirmation, accepted. */
  established(ac: AssociateAcPdu): void;
  /** P-DATA indication, piece by piece. @throws PduError when the piece can't be; the association is then aborted */
  pdv(piece: PdvPiece): void;
  /** The association is over, for this reason; told once. */
  ended(reason: PixlError): void;
  /** Something else changed: room in the send buffer, the state, the socket's close. */
  changed(): void;
}

/** How long an aborted or released connection may take to close (PS3.8 9.1.5). */
const ARTIM_MS = 5_000;

/**
 * One transport connection under the state machine of PS3.8 9.2, on the requestor's side. The bytes that come in
 * take one synchronous path from the socket through the reader to the user: nothing can overtake anything.
 */
export class UpperLayer {
  readonly #peer: string;
  readonly #socket: Socket;
  readonly #user: UpperLayerUser;
  readonly #reader: PduReader;
  readonly #closed: Promise<void>;
  #state: State = 'Sta4';
  #isEstablished = false;
  #ended: PixlError | null = null;
  #socketError: NodeJS.ErrnoException | null = null;
  #artim: NodeJS.Timeout | null = null;

  /**
   * Takes over a connected socket and sends the A-ASSOCIATE-RQ.
   *
   * @param peer the name under which errors speak of the other side
   * @param maximumLength what the request says that we take (PS3.8 D.1)
   */
  constructor(peer: string, socket: Socket, rq: AssociateRqPdu, user: UpperLayerUser) {
    this.#peer = peer;
    this.#socket = socket;
    this.#user = user;
    this.#reader = new PduReader(rq.userInformation.maximumLength);
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#handle('transport connection closed');
        this.#stopArtim();
        resolve();
        this.#user.changed();
      });
    });
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#user.changed());
    socket.on('error', (error) => {
      this.#socketError = error;
    });
    socket.on('end', () => this.#onHalfClose());
    this.#handle('transport connection confirmed', rq);
  }

  get state(): State {
    return this.#state;
  }

  /** Resolves when the socket is closed. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Bytes that were written and that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Stops or goes on reading: back-pressure on the peer. */
  pause(paused: boolean): void {
    if (paused) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /**
   * P-DATA request: whole P-DATA-TF PDUs, in parts that go out as one write.
   *
   * @throws what ended the association
   */
  pData(parts: readonly Buffer[]): void {
    if (this.#ended !== null) throw this.#ended;
    if (!this.#handle('P-DATA request')) throw new AssociationEndedError(this.#peer, 'not open for data');
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }

  /** A-RELEASE request; nothing happens where the table does not allow one. */
  release(): void {
    this.#handle('A-RELEASE request');
  }

  /** A-ABORT request, with the reason that the user is to be told. */
  abort(reason: PixlError): void {
    this.#finish(reason);
    this.#handle('A-ABORT request');
  }

  #onData(chunk: Buffer): void {
    try {
      for (const event of this.#reader.push(chunk)) {
        this.#onReadEvent(event);
        if (this.#state === 'Sta1') return;
      }
    } catch (error) {
      if (!(error instanceof PduError)) throw error;
      this.#invalid(error);
    }
  }

  #onReadEvent(event: ReadEvent): void {
    switch (event.kind) {
      case 'pdu':
        this.#handle(`${event.pdu.type} received`, event.pdu);
        break;
      case 'p-data':
        this.#handle('P-DATA-TF received');
        break;
      case 'pdv':
        // Only where the P-DATA-TF was to be indicated (DT-2, AR-6); elsewhere its PDVs are ignored (AA-6).
        if (this.#state === 'Sta6' || this.#state === 'Sta7') this.#user.pdv(event);
    }
  }

  /** The one place where the table is asked. @returns false where it has no entry: a local request that may not be */
  #handle(event: Event, pdu?: ControlPdu): boolean {
    const step = transition(this.#state, event, { isRequestor: true, acceptable: true });
    if (step === null) return false;
    this.#state = step.next;
    this.#perform(step.action, pdu);
    if (step.action !== 'DT-1' && step.action !== 'DT-2') this.#user.changed();
    return true;
  }

  /** PS3.8 tables 9-6 to 9-9; those of an acceptor (AE-5 to AE-8, AR-10) can't come up. */
  #perform(action: Action, pdu?: ControlPdu): void {
    switch (action) {
      case 'AE-2':
        if (pdu !== undefined) this.#send(encodePdu(pdu));
        break;
      case 'AE-3':
        this.#isEstablished = true;
        if (pdu?.type === 'A-ASSOCIATE-AC') this.#user.established(pdu);
        break;
      case 'AE-4':
        if (pdu?.type === 'A-ASSOCIATE-RJ') this.#finish(new AssociationRejectedError(this.#peer, pdu));
        this.#closeTransport();
        break;
      case 'AR-1':
        this.#send(encodePdu({ type: 'A-RELEASE-RQ' }));
        break;
      case 'AR-2':
        // An SCU has no reason to keep an association that the peer wants to end.
        this.#finish(new AssociationEndedError(this.#peer, 'released by the peer'));
        this.#handle('A-RELEASE response');
        break;
      case 'AR-8': // not over before the peer has answered our request too
        this.#handle('A-RELEASE response');
        break;
      case 'AR-3':
        this.#finish(new AssociationEndedError(this.#peer, 'released'));
        this.#closeTransport();
        break;
      case 'AR-4':
        this.#send(encodePdu({ type: 'A-RELEASE-RP' }));
        this.#startArtim();
        break;
      case 'AR-9':
        this.#send(encodePdu({ type: 'A-RELEASE-RP' }));
        break;
      case 'AA-1':
        this.#sendAbort('service-user');
        break;
      case 'AA-7':
      case 'AA-8':
        this.#finish(new ProtocolError(this.#peer, `${pdu?.type ?? 'P-DATA-TF'} was not to be expected`));
        this.#sendAbort('unexpected PDU');
        break;
      case 'AA-3':
        if (pdu?.type === 'A-ABORT') this.#finish(new AssociationAbortedError(this.#peer, pdu));
        this.#closeTransport();
        break;
      case 'AA-4':
        this.#finish(this.#connectionLost('connection lost'));
        break;
      case 'AA-2':
        this.#closeTransport();
        break;
      case 'AA-5':
      case 'AR-5':
        this.#stopArtim();
        break;
      case 'DT-1': // pData writes
      case 'AR-7':
      case 'DT-2': // the PDVs follow as events of their own
      case 'AR-6':
      case 'AA-6': // ignored
      case 'AE-1': // done by openTransport
      case 'AE-5':
      case 'AE-6':
      case 'AE-7':
      case 'AE-8':
      case 'AR-10':
        break;
    }
  }

  /** Event 19, with the A-ABORT reason that fits. */
  #invalid(error: PduError): void {
    this.#finish(new ProtocolError(this.#peer, error.message, error));
    const step = transition(this.#state, 'invalid PDU received', { isRequestor: true, acceptable: true });
    if (step === null) return;
    this.#state = step.next;
    this.#sendAbort(error.abortReason);
  }

  #onHalfClose(): void {
    // A peer that closes its side in the middle is told so, then the close is handled as the table says.
    this.#finish(this.#connectionLost('connection closed by the peer'));
    this.#handle('A-ABORT request');
    this.#socket.end();
  }

  #connectionLost(how: string): PixlError {
    return transportError(this.#peer, how, {
      cause: this.#socketError,
      socket: this.#socket,
      whileConnecting: !this.#isEstablished,
    });
  }

  #send(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  #sendAbort(reason: 'service-user' | ProviderAbortReason): void {
    this.#send(
      encodePdu(
        reason === 'service-user'
          ? { type: 'A-ABORT', source: 'service-user', reason: 'not significant' }
          : { type: 'A-ABORT', source: 'service-provider', reason },
      ),
    );
    this.#socket.end();
    this.#socket.resume(); // so that its close is seen
    this.#startArtim();
  }

  #closeTransport(): void {
    if (!this.#socket.writable) {
      this.#socket.destroy();
      return;
    }
    this.#socket.end(() => this.#socket.destroy());
    this.#startArtim(); // a peer that does not read lets nothing be flushed
  }

  #startArtim(): void {
    this.#stopArtim();
    this.#artim = setTimeout(() => {
      this.#handle('ARTIM expired');
      this.#socket.destroy();
    }, ARTIM_MS);
  }

  #stopArtim(): void {
    if (this.#artim !== null) clearTimeout(this.#artim);
    this.#artim = null;
  }

  /** The first reason why the association is over is the one that the user is told. */
  #finish(error: PixlError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#user.ended(error);
  }
}

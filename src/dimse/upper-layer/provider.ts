import type { Socket } from 'node:net';
import { TimeoutError, type PixlError } from '../../core/errors.js';
import {
  AssociationAbortedError,
  AssociationEndedError,
  AssociationRejectedError,
  ProtocolError,
} from '../errors.js';
import { PduError, ProtocolVersionError } from './decode.js';
import { encodePdu } from './encode.js';
import type {
  AssociateAcPdu,
  AssociateRjPdu,
  AssociateRqPdu,
  ControlPdu,
  ProviderAbortReason,
} from './pdu.js';
import { countReadBuffer } from './read-buffers.js';
import { PduReader, type PdvPiece, type ReadEvent } from './reader.js';
import { transportError } from './transport.js';
import { transition, type Action, type Event, type State, type Transition } from './state-machine.js';

/** What the upper layer tells its user (PS3.8 7: the indications and confirmations). Called synchronously, in wire order. */
export interface UpperLayerUser {
  /** A-ASSOCIATE confirmation, accepted; on the acceptor's side its own answer, on its way. */
  established(ac: AssociateAcPdu): void;
  /** P-DATA indication, piece by piece. @throws PduError when the piece can't be; the association is then aborted */
  pdv(piece: PdvPiece): void;
  /** The association is over, for this reason; told once. */
  ended(reason: PixlError): void;
  /** Something else changed: room in the send buffer, the state, the socket's close. */
  changed(): void;
}

/** Which side of the association we are. */
export type UpperLayerRole =
  | { readonly kind: 'requestor'; readonly rq: AssociateRqPdu }
  | {
      readonly kind: 'acceptor';
      /** The longest P-DATA-TF variable field that the answer will say that we take (PS3.8 D.1). */
      readonly maximumLength: number;
      /** How long the A-ASSOCIATE-RQ may take. */
      readonly requestMs: number;
      /**
       * A-ASSOCIATE indication and response in one.
       *
       * @returns what is answered, and the name under which errors speak of the peer from now on
       * @throws PduError when the request can't be
       */
      readonly answer: (rq: AssociateRqPdu) => {
        readonly reply: AssociateAcPdu | AssociateRjPdu;
        readonly peer: string;
      };
    };

/** How long an aborted or released connection may take to close (PS3.8 9.1.5). */
const ARTIM_MS = 5_000;
/** How long the A-ABORT may take to leave when the connection is given up. */
const LAST_WORDS_MS = 100;

/**
 * One transport connection under the state machine of PS3.8 9.2. The bytes that come in take one synchronous path
 * from the socket through the reader to the user: nothing can overtake anything.
 */
export class UpperLayer {
  #peer: string;
  readonly #socket: Socket;
  readonly #role: UpperLayerRole;
  readonly #user: UpperLayerUser;
  readonly #reader: PduReader;
  readonly #closed: Promise<void>;
  #state: State;
  #isEstablished = false;
  #ended: PixlError | null = null;
  #socketError: NodeJS.ErrnoException | null = null;
  #artim: NodeJS.Timeout | null = null;

  /**
   * Takes over a connected socket, and sends the A-ASSOCIATE-RQ or waits for it.
   *
   * @param peer the name under which errors speak of the other side
   */
  constructor(peer: string, socket: Socket, role: UpperLayerRole, user: UpperLayerUser) {
    this.#peer = peer;
    this.#socket = socket;
    this.#role = role;
    this.#user = user;
    this.#state = role.kind === 'requestor' ? 'Sta4' : 'Sta1';
    this.#reader = new PduReader(
      role.kind === 'requestor' ? role.rq.userInformation.maximumLength : role.maximumLength,
    );
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
    if (role.kind === 'requestor') this.#handle('transport connection confirmed', role.rq);
    else this.#handle('transport connection indicated');
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
   * @param taken told when the kernel has taken the last byte; never, when the connection is lost before
   * @throws what ended the association
   */
  pData(parts: readonly Buffer[], taken?: () => void): void {
    if (this.#ended !== null) throw this.#ended;
    if (!this.#handle('P-DATA request')) throw new AssociationEndedError(this.#peer, 'not open for data');
    this.#socket.cork();
    for (const part of parts.slice(0, -1)) this.#socket.write(part);
    const last = parts.at(-1);
    if (last !== undefined)
      this.#socket.write(last, (error) => {
        if (error === null || error === undefined) taken?.();
      });
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

  /** A-ABORT request, and the connection closed without waiting for the peer to do it. */
  destroy(reason: PixlError): void {
    this.abort(reason);
    if (this.#socket.destroyed) return;
    this.#socket.destroySoon();
    this.#startArtim(LAST_WORDS_MS);
  }

  #onData(chunk: Buffer): void {
    countReadBuffer(chunk.length);
    try {
      for (const event of this.#reader.push(chunk)) {
        this.#onReadEvent(event);
        if (this.#state === 'Sta1') return;
      }
    } catch (error) {
      if (!(error instanceof PduError)) throw error;
      if (error instanceof ProtocolVersionError && this.#state === 'Sta2') this.#rejectVersion();
      else this.#invalid(error);
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
    const step = this.#transition(event);
    if (step === null) return false;
    this.#state = step.next;
    this.#perform(step.action, pdu);
    if (step.action !== 'DT-1' && step.action !== 'DT-2') this.#user.changed();
    return true;
  }

  /** A request that was read is acceptable to AE-6: whether it is to the user, the answer says. */
  #transition(event: Event): Transition | null {
    return transition(this.#state, event, {
      isRequestor: this.#role.kind === 'requestor',
      acceptable: true,
    });
  }

  /** PS3.8 tables 9-6 to 9-9. */
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
      case 'AE-5':
        if (this.#role.kind === 'acceptor') this.#startArtim(this.#role.requestMs);
        break;
      case 'AE-6':
        this.#stopArtim();
        if (pdu?.type === 'A-ASSOCIATE-RQ') this.#answer(pdu);
        break;
      case 'AE-7':
        this.#isEstablished = true;
        if (pdu?.type === 'A-ASSOCIATE-AC') {
          this.#send(encodePdu(pdu));
          this.#user.established(pdu);
        }
        break;
      case 'AE-8':
        if (pdu?.type === 'A-ASSOCIATE-RJ') {
          this.#finish(new AssociationEndedError(this.#peer, `rejected by us: ${pdu.reason}`));
          this.#send(encodePdu(pdu));
        }
        this.#startArtim(ARTIM_MS);
        break;
      case 'AR-1':
        this.#send(encodePdu({ type: 'A-RELEASE-RQ' }));
        break;
      case 'AR-2':
        // Nobody here has a reason to keep an association that the peer wants to end.
        this.#finish(new AssociationEndedError(this.#peer, 'released by the peer'));
        this.#handle('A-RELEASE response');
        break;
      case 'AR-8': // not over before the peer has answered our request too
      case 'AR-10':
        this.#handle('A-RELEASE response');
        break;
      case 'AR-3':
        this.#finish(new AssociationEndedError(this.#peer, 'released'));
        this.#closeTransport();
        break;
      case 'AR-4':
        this.#finish(new AssociationEndedError(this.#peer, 'released'));
        this.#send(encodePdu({ type: 'A-RELEASE-RP' }));
        this.#startArtim(ARTIM_MS);
        break;
      case 'AR-9':
        this.#send(encodePdu({ type: 'A-RELEASE-RP' }));
        break;
      case 'AA-1': // asked for here, or by something else than an A-ASSOCIATE-RQ at the beginning
        this.#finish(this.#unexpected(pdu));
        this.#sendAbort('service-user');
        break;
      case 'AA-7':
      case 'AA-8':
        this.#finish(this.#unexpected(pdu));
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
        if (pdu?.type === 'A-ABORT') this.#finish(new AssociationAbortedError(this.#peer, pdu));
        this.#closeTransport();
        break;
      case 'AA-5':
        this.#finish(this.#connectionLost('closed before an A-ASSOCIATE-RQ'));
        this.#stopArtim();
        break;
      case 'AR-5':
        this.#stopArtim();
        break;
      case 'DT-1': // pData writes
      case 'AR-7':
      case 'DT-2': // the PDVs follow as events of their own
      case 'AR-6':
      case 'AA-6': // ignored
      case 'AE-1': // done by openTransport
        break;
    }
  }

  #answer(rq: AssociateRqPdu): void {
    if (this.#role.kind !== 'acceptor') return;
    const { reply, peer } = this.#role.answer(rq);
    this.#peer = peer;
    this.#handle(`A-ASSOCIATE response ${reply.type === 'A-ASSOCIATE-AC' ? 'accept' : 'reject'}`, reply);
  }

  /** AE-6 of a request that is not acceptable to the service provider. */
  #rejectVersion(): void {
    const step = transition(this.#state, 'A-ASSOCIATE-RQ received', {
      isRequestor: false,
      acceptable: false,
    });
    if (step === null) return;
    this.#state = step.next;
    this.#finish(new AssociationEndedError(this.#peer, 'rejected by us: protocol version not supported'));
    this.#send(
      encodePdu({
        type: 'A-ASSOCIATE-RJ',
        result: 'rejected-permanent',
        source: 'service-provider (ACSE)',
        reason: 'protocol version not supported',
      }),
    );
    this.#startArtim(ARTIM_MS);
  }

  #unexpected(pdu: ControlPdu | undefined): ProtocolError {
    return new ProtocolError(this.#peer, `${pdu?.type ?? 'P-DATA-TF'} was not to be expected`);
  }

  /** Event 19, with the A-ABORT reason that fits. */
  #invalid(error: PduError): void {
    this.#finish(new ProtocolError(this.#peer, error.message, error));
    const step = this.#transition('invalid PDU received');
    if (step === null) return;
    this.#state = step.next;
    this.#sendAbort(step.action === 'AA-1' ? 'service-user' : error.abortReason);
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
    this.#startArtim(ARTIM_MS);
  }

  #closeTransport(): void {
    if (!this.#socket.writable) {
      this.#socket.destroy();
      return;
    }
    this.#socket.end(() => this.#socket.destroy());
    this.#startArtim(ARTIM_MS); // a peer that does not read lets nothing be flushed
  }

  #startArtim(ms: number): void {
    this.#stopArtim();
    this.#artim = setTimeout(() => {
      if (this.#state === 'Sta2') this.#finish(new TimeoutError(this.#peer, 'A-ASSOCIATE-RQ', ms));
      this.#handle('ARTIM expired');
      this.#socket.destroy();
    }, ms);
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

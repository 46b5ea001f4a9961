import type { Socket } from 'node:net';
import { CancelledError, InternalError, PixlError, TimeoutError } from '../core/errors.js';
import { AssociationEndedError, NoPresentationContextError, ProtocolError } from './errors.js';
import { MessageAssembler, type MessageEvent } from './message/assembler.js';
import { encodeCommandSet, type CommandSet } from './message/command-set.js';
import { DataSetWriter } from './message/data-set-writer.js';
import { Inbox } from './message/inbox.js';
import { PduError } from './upper-layer/decode.js';
import { pDataPdus, PDV_HEADER_LENGTH } from './upper-layer/encode.js';
import type { AssociateAcPdu, AssociateRjPdu, AssociateRqPdu } from './upper-layer/pdu.js';
import { Outstanding, type DimseObserver } from './message/outstanding.js';
import {
  associateRq,
  MAX_PRESENTATION_CONTEXTS,
  nodeName,
  OUR_MAXIMUM_LENGTH,
  type AcceptedContext,
  type AcceptOptions,
  type AcceptorTimeouts,
  type AssociationOptions,
} from './negotiation.js';
import { UpperLayer, type UpperLayerRole } from './upper-layer/provider.js';
import type { PdvPiece } from './upper-layer/reader.js';
import { openTransport } from './upper-layer/transport.js';
import { Waiters } from './waiters.js';

/** What a peer that says "no limit" gets; longer PDUs were not seen to help. */
const LONGEST_PDATA_SENT = 131_072;
/** With a peer that takes less we don't talk: it would have us write headers for ever. */
const SHORTEST_PDATA_SENT = 16;
/** Bytes in our socket's send buffer above which a writer waits. */
const UNSENT_HIGH_BYTES = 512 * 1024;

/**
 * An association that we requested or accepted (PS3.8 7): negotiated, then a two-way stream of DIMSE messages, ended
 * by A-RELEASE or A-ABORT. What comes in waits in an inbox of bounded size, which slows the peer down when full.
 * One reader and one writer at a time.
 */
export class Association {
  readonly #timeouts: AcceptorTimeouts;
  readonly #contexts = new Map<number, AcceptedContext>();
  /** Abstract syntaxes of which the peer takes us as SCP. */
  readonly #asScp = new Set<string>();
  readonly #assembler = new MessageAssembler();
  readonly #inbox = new Inbox((full) => this.#upperLayer?.pause(full));
  readonly #outstanding: Outstanding;
  readonly #waiters = new Waiters();
  #peer: string;
  #upperLayer: UpperLayer | null = null;
  #ended: PixlError | null = null;
  #maxDataLength = SHORTEST_PDATA_SENT;
  #lastMessageId = 0;
  #heard = 0;
  /** The data set of the command that was received last has not been read to its end. */
  #dataSetLeft = false;

  private constructor(peer: string, timeouts: AcceptorTimeouts, observer: DimseObserver | undefined) {
    this.#peer = peer;
    this.#timeouts = timeouts;
    this.#outstanding = new Outstanding(observer);
  }

  /**
   * Connects and negotiates.
   *
   * @throws ConnectionError, TlsError, TimeoutError, CancelledError, AssociationRejectedError,
   *   AssociationAbortedError, ProtocolError
   */
  static async request(options: AssociationOptions): Promise<Association> {
    if (options.contexts.length === 0 || options.contexts.length > MAX_PRESENTATION_CONTEXTS)
      throw new InternalError(`${options.contexts.length} presentation contexts; 1 to 128 can be proposed`);
    const { node, timeouts, observer, signal } = options;
    const association = new Association(nodeName(node), timeouts, observer);
    const socket = await association.#connect(options);
    const rq = associateRq(options);
    const established = (ac: AssociateAcPdu): void => {
      association.#negotiated(ac, rq);
      association.#limitTo(ac);
      for (const { sopClassUid, scp } of ac.userInformation.roleSelections)
        if (scp) association.#asScp.add(sopClassUid);
    };
    await association.#open(socket, { kind: 'requestor', rq }, established, signal);
    return association;
  }

  /**
   * Waits on a connection that was accepted for the A-ASSOCIATE-RQ, and answers it.
   *
   * @throws AssociationEndedError when the answer is a rejection; TimeoutError, ConnectionError,
   *   AssociationAbortedError, ProtocolError
   */
  static async accept(socket: Socket, options: AcceptOptions): Promise<Association> {
    const address = `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`;
    const association = new Association(address, options.timeouts, options.observer);
    const answer = (rq: AssociateRqPdu): { reply: AssociateAcPdu | AssociateRjPdu; peer: string } => {
      association.#peer = `${rq.callingAeTitle} (${address})`;
      const reply = options.answer(rq);
      if (reply.type === 'A-ASSOCIATE-AC') {
        association.#limitTo(rq);
        association.#negotiated(reply, rq);
      }
      return { reply, peer: association.#peer };
    };
    const role = {
      kind: 'acceptor',
      maximumLength: OUR_MAXIMUM_LENGTH,
      requestMs: options.timeouts.acseMs,
      answer,
    } as const;
    await association.#open(socket, role, () => undefined);
    return association;
  }

  /** The name under which errors speak of the other side. */
  get peer(): string {
    return this.#peer;
  }

  /** Open for messages: neither released nor aborted by either side. */
  get isOpen(): boolean {
    return this.#ended === null && this.#upperLayer?.state === 'Sta6';
  }

  /** Counts the pieces of messages that have come: nothing has come between two looks that give the same. */
  get heard(): number {
    return this.#heard;
  }

  /** Open, and nothing that was asked for is to come any more: what is asked next can't be taken for something else. */
  get isAtRest(): boolean {
    return this.isOpen && this.#outstanding.isEmpty && this.#inbox.isEmpty;
  }

  /** Resolves when the socket is closed. */
  get closed(): Promise<void> {
    return this.#requireUpperLayer().closed;
  }

  /** The presentation contexts that were accepted. */
  get contexts(): Iterable<AcceptedContext> {
    return this.#contexts.values();
  }

  /** The context for an abstract syntax, in a certain transfer syntax if one is named; null when none was accepted. */
  findContext(abstractSyntax: string, transferSyntax?: string): AcceptedContext | null {
    for (const context of this.#contexts.values())
      if (
        context.abstractSyntax === abstractSyntax &&
        (transferSyntax === undefined || context.transferSyntax === transferSyntax)
      )
        return context;
    return null;
  }

  /** Did the peer take us as SCP of it (PS3.7 D.3.3.4)? Without that it can't send us any in a C-GET. */
  isScpOf(abstractSyntax: string): boolean {
    return this.#asScp.has(abstractSyntax);
  }

  /** @throws NoPresentationContextError when no context was accepted for it */
  requireContext(abstractSyntax: string): AcceptedContext {
    const context = this.findContext(abstractSyntax);
    if (context === null) throw new NoPresentationContextError(this.peer, abstractSyntax);
    return context;
  }

  /** The context that a message came in. @throws InternalError for an ID that was not accepted, which can't come in */
  contextOf(presentationContextId: number): AcceptedContext {
    const context = this.#contexts.get(presentationContextId);
    if (context === undefined) throw new InternalError('a message in a context that was not accepted');
    return context;
  }

  /** A Message ID that no outstanding operation of this association has (PS3.7 9.1). */
  nextMessageId(): number {
    this.#lastMessageId = (this.#lastMessageId % 0xffff) + 1;
    return this.#lastMessageId;
  }

  /**
   * Writes a command set, in one segment where it fits. Resolves when more may be written.
   *
   * @throws what ended the association; TimeoutError when the peer does not read
   */
  async sendCommand(presentationContextId: number, command: CommandSet, hasDataSet: boolean): Promise<void> {
    await this.#send(command, this.#commandPdus(presentationContextId, command, hasDataSet));
  }

  /**
   * Writes a command set and its Identifier at once: the peer has the whole message with one segment, and neither side
   * is woken twice for it.
   *
   * @throws what ended the association; TimeoutError when the peer does not read
   */
  async sendWithIdentifier(
    presentationContextId: number,
    command: CommandSet,
    identifier: Buffer,
  ): Promise<void> {
    const context = { presentationContextId, isCommand: false } as const;
    await this.#send(command, [
      ...this.#commandPdus(presentationContextId, command, true),
      ...pDataPdus(context, identifier, this.#maxDataLength),
    ]);
  }

  /**
   * For the data set of the command that was just sent.
   *
   * @param sent told of each piece when the kernel has taken the last of its bytes
   */
  openDataSet(presentationContextId: number, sent?: (piece: Buffer) => void): DataSetWriter {
    const send = async (parts: readonly Buffer[], taken: () => void): Promise<void> => {
      this.#requireUpperLayer().pData(parts, taken);
      await this.#drained();
    };
    return new DataSetWriter(presentationContextId, this.#maxDataLength, send, sent);
  }

  /**
   * The next command. What is left of a data set that nobody read is passed over.
   *
   * @param operation what is waited for, for errors
   * @param timeoutMs the longest that it may take, however much comes meanwhile
   * @throws what ended the association; TimeoutError
   */
  async receiveCommand(
    operation: string,
    timeoutMs: number,
  ): Promise<Extract<MessageEvent, { kind: 'command' }>> {
    const remaining = countdown(timeoutMs);
    while (this.#dataSetLeft) await this.#takeData(operation, remaining());
    return this.#asCommand(await this.#take(operation, remaining()));
  }

  /** The next command if it has arrived whole; for what may interrupt work, as a C-CANCEL-RQ does (PS3.7 9.3.2.3). */
  receivedCommand(): Extract<MessageEvent, { kind: 'command' }> | null {
    if (this.#dataSetLeft) return null;
    const event = this.#inbox.take();
    return event === null ? null : this.#asCommand(event);
  }

  /**
   * The data set that follows the command that was just received, in pieces as they arrive; the peer is slowed
   * down to the pace of the consumer.
   */
  async *receiveDataSet(operation: string, timeoutMs: number): AsyncGenerator<Buffer, void, undefined> {
    while (this.#dataSetLeft) {
      const data = await this.#takeData(operation, timeoutMs);
      if (data.length > 0) yield data;
    }
  }

  /** Reads what is left of the data set and drops it. */
  async skipDataSet(operation: string, timeoutMs: number): Promise<void> {
    while (this.#dataSetLeft) await this.#takeData(operation, timeoutMs);
  }

  /**
   * The whole data set, which has to come within `timeoutMs`.
   *
   * @throws ProtocolError when it is longer than `limit` bytes
   */
  async collectDataSet(operation: string, timeoutMs: number, limit: number): Promise<Buffer> {
    const remaining = countdown(timeoutMs);
    const pieces: Buffer[] = [];
    let length = 0;
    while (this.#dataSetLeft) {
      const piece = await this.#takeData(operation, remaining());
      length += piece.length;
      if (length > limit) throw this.protocolError(`${operation}: an identifier of more than ${limit} bytes`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  /**
   * Resolves as soon as the peer has begun to send its next message, before it is whole; also when the
   * association has ended, which the next receive will tell.
   */
  async commandBegun(operation: string, timeoutMs: number): Promise<void> {
    const begun = (): boolean => this.#ended !== null || this.#assembler.inCommand || !this.#inbox.isEmpty;
    await this.#until(() => (begun() ? true : null), operation, timeoutMs);
  }

  /**
   * Sends the A-RELEASE-RQ without waiting for its answer; what the peer still sends can be received
   * (PS3.8 table 9-10, Sta7). {@link release} must follow.
   */
  beginRelease(): void {
    this.#requireUpperLayer().release();
  }

  /** Ends the association in order, or with an A-ABORT when the peer does not answer. Never throws. */
  async release(): Promise<void> {
    this.beginRelease();
    try {
      await this.#until(() => (this.#ended === null ? null : true), 'release', this.#timeouts.acseMs);
    } catch {
      // Silence; the abort ends it. An association that has ended in order is not touched by it.
    }
    await this.abort();
  }

  /** A-ABORT, unless the association has ended. What is waited for on it fails with `reason`. Never throws. */
  async abort(reason?: PixlError): Promise<void> {
    const upperLayer = this.#requireUpperLayer();
    upperLayer.abort(reason ?? new AssociationEndedError(this.peer, 'aborted by us'));
    await upperLayer.closed;
  }

  /** Ends the association and its connection now, whatever the peer does: after an A-ABORT, if the peer reads. */
  destroy(reason: PixlError): void {
    this.#requireUpperLayer().destroy(reason);
  }

  /** Aborts for what the peer did against PS3.7, and gives the error to throw. */
  protocolError(problem: string): ProtocolError {
    const error = new ProtocolError(this.peer, problem);
    this.#requireUpperLayer().abort(error);
    return error;
  }

  #commandPdus(presentationContextId: number, command: CommandSet, hasDataSet: boolean): Buffer[] {
    const bytes = encodeCommandSet(command, hasDataSet);
    return pDataPdus({ presentationContextId, isCommand: true }, bytes, this.#maxDataLength);
  }

  async #send(command: CommandSet, pdus: readonly Buffer[]): Promise<void> {
    this.#requireUpperLayer().pData([Buffer.concat(pdus)]);
    this.#outstanding.sent(command);
    await this.#drained();
  }

  #asCommand(event: MessageEvent): Extract<MessageEvent, { kind: 'command' }> {
    if (event.kind !== 'command') throw this.protocolError('a data set without a command');
    this.#dataSetLeft = event.hasDataSet;
    this.#outstanding.received(event.command);
    return event;
  }

  async #connect({ node, timeouts, signal }: AssociationOptions): Promise<Socket> {
    try {
      return await openTransport(this.peer, node, timeouts.connectMs, signal);
    } catch (error) {
      if (error instanceof PixlError) this.#outstanding.ended(error);
      throw error;
    }
  }

  async #open(
    socket: Socket,
    role: UpperLayerRole,
    established: (ac: AssociateAcPdu) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const upperLayer = new UpperLayer(this.peer, socket, role, {
      established,
      pdv: (piece) => this.#onPdv(piece),
      ended: (reason) => {
        this.#ended = reason;
        this.#outstanding.ended(reason);
        this.#waiters.wake();
      },
      changed: () => this.#waiters.wake(),
    });
    this.#upperLayer = upperLayer;
    const onAbort = (): void => upperLayer.abort(new CancelledError('association'));
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal?.removeEventListener('abort', onAbort));
    if (signal?.aborted === true) onAbort();
    try {
      const established = (): true | null => this.#endedOr(upperLayer.state === 'Sta6');
      await this.#until(established, 'A-ASSOCIATE', this.#timeouts.acseMs);
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  /** The contexts that both sides know now. */
  #negotiated(ac: AssociateAcPdu, rq: AssociateRqPdu): void {
    for (const { id, result, transferSyntax } of ac.presentationContexts) {
      const proposal = rq.presentationContexts.find((one) => one.id === id);
      // A transfer syntax that was never offered can't be used, so the context counts as refused.
      if (result === 'acceptance' && proposal?.transferSyntaxes.includes(transferSyntax) === true)
        this.#contexts.set(id, { id, abstractSyntax: proposal.abstractSyntax, transferSyntax });
    }
  }

  /** What the peer takes at most in a P-DATA-TF (PS3.8 D.1). */
  #limitTo({ type, userInformation: { maximumLength } }: AssociateRqPdu | AssociateAcPdu): void {
    const theirs = maximumLength === 0 ? Infinity : maximumLength;
    if (theirs < SHORTEST_PDATA_SENT)
      throw new PduError(`${type}: a maximum length of ${maximumLength} bytes`);
    const longest = Math.min(theirs, LONGEST_PDATA_SENT) - PDV_HEADER_LENGTH;
    this.#maxDataLength = longest - (longest % 2); // PS3.8 E.2: fragments are of even length
  }

  #onPdv(piece: PdvPiece): void {
    if (!this.#contexts.has(piece.presentationContextId))
      throw new PduError(
        `PDV in presentation context ${piece.presentationContextId}, which was not accepted`,
      );
    this.#heard += 1;
    const event = this.#assembler.accept(piece);
    if (event === null) return;
    if (event.kind !== 'command-begins') this.#inbox.put(event);
    this.#waiters.wake();
  }

  /** Resolves at once while the send buffer has room. */
  async #drained(): Promise<void> {
    const upperLayer = this.#requireUpperLayer();
    if (upperLayer.unsentBytes <= UNSENT_HIGH_BYTES) return;
    const room = (): true | null => this.#endedOr(upperLayer.unsentBytes <= UNSENT_HIGH_BYTES);
    await this.#until(room, 'write', this.#timeouts.writeMs);
  }

  /** The next piece of the data set of the command that was received last. */
  async #takeData(operation: string, timeoutMs: number): Promise<Buffer> {
    const event = await this.#take(operation, timeoutMs);
    if (event.kind !== 'data') throw this.protocolError('a command where a data set should go on');
    this.#dataSetLeft = !event.ends;
    return event.data;
  }

  async #take(operation: string, timeoutMs: number): Promise<MessageEvent> {
    if (timeoutMs <= 0) throw new TimeoutError(this.peer, operation, timeoutMs);
    return this.#inbox.take() ?? (await this.#until(() => this.#taken(), operation, timeoutMs));
  }

  /** What has arrived is handed out even when the association has ended since. */
  #taken(): MessageEvent | null {
    const event = this.#inbox.take();
    if (event === null && this.#ended !== null) throw this.#ended;
    return event;
  }

  /** @throws what ended the association */
  #endedOr(condition: boolean): true | null {
    if (this.#ended !== null) throw this.#ended;
    return condition ? true : null;
  }

  /** Waits until `look` finds something; it is asked again whenever anything happens on the association. */
  #until<T>(look: () => T | null, operation: string, timeoutMs: number): Promise<T> {
    return this.#waiters.until(look, timeoutMs, () => new TimeoutError(this.peer, operation, timeoutMs));
  }

  #requireUpperLayer(): UpperLayer {
    if (this.#upperLayer === null) throw new InternalError('association before its connection');
    return this.#upperLayer;
  }
}

/** What is left of a time that runs from now. */
function countdown(ms: number): () => number {
  const end = performance.now() + ms;
  return () => Math.ceil(end - performance.now());
}

/**
 * Does `work` on an association of its own. Whatever happens, the association ends: by A-RELEASE after the work
 * is done, by A-ABORT when it failed.
 */
export async function withAssociation<T>(
  options: AssociationOptions,
  work: (association: Association) => Promise<T>,
): Promise<T> {
  const association = await Association.request(options);
  const result = await abortedOnFailure(association, work);
  await association.release();
  return result;
}

/** Does `work` on an association, which is aborted when that fails. */
export async function abortedOnFailure<T>(
  association: Association,
  work: (association: Association) => Promise<T>,
): Promise<T> {
  try {
    return await work(association);
  } catch (error) {
    await association.abort();
    throw error;
  }
}

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  decodeAssociateAc,
  decodeAssociateRq,
  decodeCommand,
  decodePData,
  encodeAbort,
  encodeAssociateAc,
  encodeAssociateRj,
  encodeAssociateRq,
  encodeCommand,
  encodePData,
  IMPLICIT_LE,
  NO_DATA_SET,
  PDU_NAMES,
  RELEASE_RP,
  RELEASE_RQ,
  type AssociateAc,
  type AssociateRq,
  type AnsweredContext,
  type Command,
  type PduName,
  type ProposedContext,
  type RawPdu,
  type RawPdv,
  type Role,
} from './wire.js';

/** The other side closed, reset, released or aborted while the script waited for something else. */
export class PeerGoneError extends Error {
  readonly how: 'closed' | 'reset' | 'released' | 'aborted';

  constructor(how: PeerGoneError['how']) {
    super(`the other side has ${how} the association or connection`);
    this.name = 'PeerGoneError';
    this.how = how;
  }
}

/** A whole DIMSE message. */
export interface Message {
  readonly contextId: number;
  readonly command: Readonly<Record<string, number | string>>;
  readonly dataSet?: Buffer;
}

/** What comes next on an association. */
export type Incoming =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'release' }
  | { readonly kind: 'abort'; readonly source: number; readonly reason: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'reset' };

export interface AcceptOptions {
  readonly maxLength?: number;
  /**
   * The transfer syntax to accept a context with, or a result number (1 to 4) to refuse it by. Default: Implicit VR
   * Little Endian when it is proposed, else the first proposed.
   */
  readonly contexts?: (context: ProposedContext) => string | number;
  /** Default: as requested. */
  readonly roles?: 'echo' | readonly Role[];
}

export interface RequestOptions {
  readonly called: string;
  readonly calling?: string;
  readonly contexts: readonly ProposedContext[];
  readonly maxLength?: number;
  readonly roles?: readonly Role[];
}

export type Script = (peer: ScriptedPeer, connection: number) => Promise<void>;

/** Everything at hand and everything awaited of a socket's bytes. */
class Inbox {
  #chunks: Buffer[] = [];
  #length = 0;
  #gone: 'closed' | 'reset' | undefined;
  #wake: (() => void) | undefined;
  total = 0;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.total += chunk.length;
      this.#wake?.();
    });
    socket.on('end', () => this.#end('closed'));
    socket.on('close', () => this.#end('closed'));
    socket.on('error', () => this.#end('reset'));
  }

  #end(how: 'closed' | 'reset'): void {
    this.#gone ??= how;
    this.#wake?.();
  }

  /** @throws PeerGoneError when the connection ends before that many bytes came. */
  async take(count: number): Promise<Buffer> {
    while (this.#length < count) {
      if (this.#gone !== undefined) throw new PeerGoneError(this.#gone);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = all.length > count ? [all.subarray(count)] : [];
    this.#length -= count;
    return all.subarray(0, count);
  }

  async untilGone(): Promise<void> {
    while (this.#gone === undefined) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#chunks = [];
      this.#length = 0;
    }
  }
}

/** One end of a connection, for scripts that say byte by byte what happens. */
export class ScriptedPeer {
  readonly socket: Socket;
  /** Set by acceptAssociation and requestAssociation: the longest P-DATA-TF that the other side takes. */
  otherMaxLength = 16384;
  readonly #inbox: Inbox;
  #request: AssociateRq | undefined;
  #pdvs: RawPdv[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    this.#inbox = new Inbox(socket);
  }

  /** Every byte that came. */
  bytesReceived(): number {
    return this.#inbox.total;
  }

  readExactly(count: number): Promise<Buffer> {
    return this.#inbox.take(count);
  }

  /** The next PDU. @throws when it is another than the one named, PeerGoneError when none comes. */
  async expectPdu(name?: PduName): Promise<RawPdu> {
    const head = await this.readExactly(6);
    const type = head.readUInt8(0);
    const body = await this.readExactly(head.readUInt32BE(2));
    const actual = (PDU_NAMES as Readonly<Record<number, PduName | undefined>>)[type] ?? 'unknown';
    if (name !== undefined && actual !== name) {
      if (actual === 'A-ABORT') throw new PeerGoneError('aborted');
      throw new Error(`${name} was expected, ${actual} came`);
    }
    return { type, name: actual, body };
  }

  async next(): Promise<Incoming> {
    const command: Buffer[] = [];
    const dataSet: Buffer[] = [];
    let decoded: Record<string, number | string> | undefined;
    try {
      for (;;) {
        const pdv = this.#pdvs.shift();
        if (pdv === undefined) {
          const { name, body } = await this.expectPdu();
          if (name === 'A-RELEASE-RQ') return { kind: 'release' };
          if (name === 'A-ABORT')
            return { kind: 'abort', source: body.readUInt8(2), reason: body.readUInt8(3) };
          if (name !== 'P-DATA-TF') throw new Error(`P-DATA-TF was expected, ${name} came`);
          this.#pdvs.push(...decodePData(body));
          continue;
        }
        const { contextId } = pdv;
        if (pdv.isCommand !== (decoded === undefined))
          throw new Error('command and data set fragments are mixed up');
        (pdv.isCommand ? command : dataSet).push(pdv.bytes);
        if (!pdv.isLast) continue;
        if (decoded !== undefined)
          return {
            kind: 'message',
            message: { contextId, command: decoded, dataSet: Buffer.concat(dataSet) },
          };
        decoded = decodeCommand(Buffer.concat(command));
        if (decoded['CommandDataSetType'] === NO_DATA_SET)
          return { kind: 'message', message: { contextId, command: decoded } };
      }
    } catch (error) {
      if (error instanceof PeerGoneError && (error.how === 'closed' || error.how === 'reset'))
        return { kind: error.how };
      throw error;
    }
  }

  /** @throws PeerGoneError when something else comes. */
  async receiveMessage(): Promise<Message> {
    const incoming = await this.next();
    if (incoming.kind === 'message') return incoming.message;
    throw new PeerGoneError(
      incoming.kind === 'release' ? 'released' : incoming.kind === 'abort' ? 'aborted' : incoming.kind,
    );
  }

  async receiveAssociateRq(): Promise<AssociateRq> {
    this.#request = decodeAssociateRq((await this.expectPdu('A-ASSOCIATE-RQ')).body);
    this.otherMaxLength = this.#request.maxLength === 0 ? 16384 : this.#request.maxLength;
    return this.#request;
  }

  /** Reads the request (unless it was read already) and accepts it. */
  async acceptAssociation(options: AcceptOptions = {}): Promise<AssociateRq> {
    const request = this.#request ?? (await this.receiveAssociateRq());
    const choose =
      options.contexts ??
      (({ transferSyntaxes }: ProposedContext) =>
        transferSyntaxes.includes(IMPLICIT_LE) ? IMPLICIT_LE : (transferSyntaxes[0] ?? 4));
    const contexts = request.contexts.map((proposed): AnsweredContext => {
      const chosen = choose(proposed);
      return typeof chosen === 'string'
        ? { id: proposed.id, result: 0, transferSyntax: chosen }
        : { id: proposed.id, result: chosen, transferSyntax: proposed.transferSyntaxes[0] ?? IMPLICIT_LE };
    });
    const roles = options.roles === undefined || options.roles === 'echo' ? request.roles : options.roles;
    const { called, calling } = request;
    await this.sendRaw(encodeAssociateAc({ ...options, called, calling, contexts, roles }));
    return request;
  }

  /** Default: permanently, by the service user, no reason given. */
  async reject(result = 1, source = 1, reason = 1): Promise<AssociateRq> {
    const request = this.#request ?? (await this.receiveAssociateRq());
    await this.sendRaw(encodeAssociateRj(result, source, reason));
    return request;
  }

  /** As the requestor. @throws when it is not accepted. */
  async requestAssociation(options: RequestOptions): Promise<AssociateAc> {
    await this.sendRaw(encodeAssociateRq({ calling: 'SCRIPTED', ...options }));
    const answer = decodeAssociateAc((await this.expectPdu('A-ASSOCIATE-AC')).body);
    this.otherMaxLength = answer.maxLength === 0 ? 16384 : answer.maxLength;
    return answer;
  }

  /** CommandDataSetType is set to "none" unless it is given. */
  sendCommand(contextId: number, command: Command): Promise<void> {
    const bytes = encodeCommand({ CommandDataSetType: NO_DATA_SET, ...command });
    return this.sendPdvs([{ contextId, isCommand: true, isLast: true, bytes }]);
  }

  /** `pduSize` is the length of each PDU's body; the default is what the other side takes. */
  async sendDataSet(
    contextId: number,
    bytes: Buffer,
    options: { readonly pduSize?: number } = {},
  ): Promise<void> {
    const size = (options.pduSize ?? Math.min(this.otherMaxLength, 1 << 20)) - 6;
    if (size < 1) throw new RangeError('a P-DATA-TF needs more than 6 bytes');
    let at = 0;
    do {
      const end = Math.min(at + size, bytes.length);
      await this.sendPdvs([
        { contextId, isCommand: false, isLast: end === bytes.length, bytes: bytes.subarray(at, end) },
      ]);
      at = end;
    } while (at < bytes.length);
  }

  async sendMessage(contextId: number, command: Command, dataSet?: Buffer): Promise<void> {
    await this.sendCommand(
      contextId,
      dataSet === undefined ? command : { CommandDataSetType: 0, ...command },
    );
    if (dataSet !== undefined) await this.sendDataSet(contextId, dataSet);
  }

  sendPdvs(pdvs: readonly RawPdv[]): Promise<void> {
    return this.sendRaw(encodePData(pdvs));
  }

  async sendRaw(bytes: Buffer): Promise<void> {
    if (this.socket.destroyed) throw new PeerGoneError('closed');
    await new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(new PeerGoneError('reset')) : resolve()));
    });
  }

  /** The same bytes in small pieces, each with a pause. */
  async drip(
    bytes: Buffer,
    options: { readonly size?: number; readonly everyMs?: number } = {},
  ): Promise<void> {
    const size = options.size ?? 1;
    for (let at = 0; at < bytes.length; at += size) {
      await this.sendRaw(bytes.subarray(at, at + size));
      await sleep(options.everyMs ?? 1);
    }
  }

  /** A-RELEASE-RQ, and its answer awaited. */
  async release(): Promise<void> {
    await this.sendRaw(RELEASE_RQ);
    await this.expectPdu('A-RELEASE-RP');
    await this.close();
  }

  /** A-RELEASE-RP. */
  async answerRelease(): Promise<void> {
    await this.sendRaw(RELEASE_RP);
  }

  /** A-ABORT; TCP stays open. */
  abort(source = 0, reason = 0): Promise<void> {
    return this.sendRaw(encodeAbort(source, reason));
  }

  async close(): Promise<void> {
    if (this.socket.destroyed) return;
    this.socket.end();
    this.socket.destroySoon();
    if (!this.socket.closed) await once(this.socket, 'close').catch(() => undefined);
  }

  /** FIN: nothing more from here, but it still listens. */
  async halfClose(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.end(() => resolve()));
  }

  /** RST. */
  async reset(): Promise<void> {
    if (this.socket.destroyed) return;
    this.socket.resetAndDestroy();
    if (!this.socket.closed) await once(this.socket, 'close').catch(() => undefined);
  }

  /** Reads and answers nothing until the other side goes. */
  silence(): Promise<void> {
    return this.#inbox.untilGone();
  }

  /** Stops taking bytes off the socket, as a peer that is stuck; `resumeReading` ends that. */
  stopReading(): void {
    this.socket.pause();
  }

  resumeReading(): void {
    this.socket.resume();
  }
}

export interface ServerOptions {
  readonly port?: number;
  /** Leave it to `close()` to tell of scripts that failed. */
  readonly allowHalfOpen?: boolean;
}

/** A server whose every connection runs a script. */
export class ScriptedServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  /** Connections so far, and the most that were open at a time. */
  connections = 0;
  maxSimultaneous = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #runs = new Map<number, Promise<unknown>>();
  #newRun: (() => void)[] = [];
  #closed = false;

  constructor(server: Server, port: number, script: Script) {
    this.#server = server;
    this.port = port;
    server.on('connection', (socket) => this.#connected(socket, script));
  }

  #connected(socket: Socket, script: Script): void {
    this.connections += 1;
    this.#open.add(socket);
    this.maxSimultaneous = Math.max(this.maxSimultaneous, this.#open.size);
    socket.once('close', () => this.#open.delete(socket));
    const peer = new ScriptedPeer(socket);
    const run = script(peer, this.connections).then(
      () => undefined,
      (error: unknown) => error,
    );
    this.#runs.set(
      this.connections,
      run.then(async (error) => {
        await peer.close();
        return error;
      }),
    );
    for (const wake of this.#newRun.splice(0)) wake();
  }

  /** Resolves when the script of the n-th connection (1 is the first) has ended. @throws what that script threw. */
  async finished(connection = 1): Promise<void> {
    while (!this.#runs.has(connection)) {
      if (this.#closed) throw new Error(`connection ${connection} never came`);
      await new Promise<void>((resolve) => this.#newRun.push(resolve));
    }
    const error = await this.#runs.get(connection);
    if (error !== undefined) throw error as Error;
  }

  /** Ends everything. @throws what scripts threw, unless it was that the other side had gone. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      const gone = once(this.#server, 'close');
      this.#server.close();
      for (const socket of this.#open) socket.destroy();
      await gone;
      for (const wake of this.#newRun.splice(0)) wake();
    }
    const errors = (await Promise.all(this.#runs.values())).filter(
      (error) => error !== undefined && !(error instanceof PeerGoneError),
    );
    if (errors.length > 0) throw new AggregateError(errors, `a script failed: ${String(errors[0])}`);
  }
}

/** Listens on 127.0.0.1 and runs the script for each connection; a script that returns closes its connection. */
export async function startScriptedPeer(
  script: Script,
  options: ServerOptions = {},
): Promise<ScriptedServer> {
  const server = createServer({ allowHalfOpen: options.allowHalfOpen ?? true });
  server.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return new ScriptedServer(server, address.port, script);
}

/** The client mode: connects, and the test itself is the script. */
export async function connectScriptedPeer(address: {
  readonly host: string;
  readonly port: number;
}): Promise<ScriptedPeer> {
  const socket = connect({ host: address.host, port: address.port, allowHalfOpen: true });
  await once(socket, 'connect');
  return new ScriptedPeer(socket);
}

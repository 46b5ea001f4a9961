/**
 * Cuts what a client sends into what can be given to the backend at once: PostgreSQL's protocol 3.0, chapter
 * "Message Formats". Nothing is looked at but types and lengths.
 */
export type FrontendInput =
  /** SSLRequest or GSSENCRequest. */
  | { readonly kind: 'encryption' }
  | { readonly kind: 'startup' }
  /** CancelRequest: a connection of its own that expects no answer. */
  | { readonly kind: 'cancel' }
  /** Messages up to one that wants an answer: Query, Sync, Flush or FunctionCall. */
  | { readonly kind: 'batch'; readonly bytes: Buffer; readonly endsTurn: boolean }
  | { readonly kind: 'terminate' };

export class FrontendProtocolError extends Error {}

const SSL_REQUEST = 80_877_103;
const GSSENC_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;
const MAX_STARTUP = 10_000;
/** The largest of ours is a batch of a cohort, under 1 MiB, or a batch of messages, some MiB. */
const MAX_BATCH = 64 * 1024 * 1024;

const TYPE = { query: 0x51, sync: 0x53, flush: 0x48, functionCall: 0x46, terminate: 0x58 } as const;

export class FrontendReader {
  #unread: Buffer[] = [];
  #length = 0;
  #started = false;
  #batch: Buffer[] = [];
  #batchLength = 0;

  /** @throws FrontendProtocolError; then the connection is of no more use */
  *read(chunk: Buffer): Generator<FrontendInput, void, undefined> {
    this.#unread.push(chunk);
    this.#length += chunk.length;
    for (;;) {
      const input = this.#started ? this.#message() : this.#first();
      if (input === undefined) return;
      if (input !== null) yield input;
    }
  }

  /** undefined = not there yet. */
  #first(): FrontendInput | undefined {
    const packet = this.#take(0, MAX_STARTUP);
    if (packet === undefined) return undefined;
    if (packet.length < 8) throw new FrontendProtocolError('startup packet too short');
    const code = packet.readUInt32BE(4);
    if (code === SSL_REQUEST || code === GSSENC_REQUEST) return { kind: 'encryption' };
    if (code === CANCEL_REQUEST) return { kind: 'cancel' };
    if (code >>> 16 !== 3) throw new FrontendProtocolError('not protocol 3');
    this.#started = true;
    return { kind: 'startup' };
  }

  /** undefined = not there yet, null = one more of a batch. */
  #message(): FrontendInput | null | undefined {
    const message = this.#take(1, MAX_BATCH);
    if (message === undefined) return undefined;
    const type = message[0];
    if (type === TYPE.terminate) return { kind: 'terminate' };
    this.#batch.push(message);
    this.#batchLength += message.length;
    if (this.#batchLength > MAX_BATCH) throw new FrontendProtocolError('too much before a Sync');
    const endsTurn = type === TYPE.query || type === TYPE.sync || type === TYPE.functionCall;
    if (!endsTurn && type !== TYPE.flush) return null;
    const bytes = Buffer.concat(this.#batch);
    this.#batch = [];
    this.#batchLength = 0;
    return { kind: 'batch', bytes, endsTurn };
  }

  /** The next message, whose length stands behind its type of `typeLength` bytes and counts itself. */
  #take(typeLength: number, limit: number): Buffer | undefined {
    const header = typeLength + 4;
    if (this.#length < header) return undefined;
    if ((this.#unread[0]?.length ?? 0) < header) this.#unread = [Buffer.concat(this.#unread)];
    const length = (this.#unread[0]?.readUInt32BE(typeLength) ?? 0) + typeLength;
    if (length < header || length > limit) throw new FrontendProtocolError('message length out of range');
    if (this.#length < length) return undefined;
    const all = Buffer.concat(this.#unread);
    this.#length -= length;
    this.#unread = this.#length === 0 ? [] : [all.subarray(length)];
    return all.subarray(0, length);
  }
}

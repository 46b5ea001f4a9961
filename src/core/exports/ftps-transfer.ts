import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { finished, type Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { FTPError, type Client } from 'basic-ftp';
import { InternalError } from '../errors.js';
import { toFtpsError } from './errors.js';
import type { RemotePath } from './remote-path.js';

/** How long the server may take, after the data connection broke, to say why. */
const REASON_MS = 5_000;

/** What went over the wire. */
export interface Sent {
  readonly bytes: number;
  /** In hex digits. */
  readonly sha256: string;
}

export interface Transfer {
  readonly client: Client;
  /** For errors. */
  readonly peer: string;
  readonly path: RemotePath;
  /** Called when the server is ready for the bytes. The stream is destroyed when the transfer fails. */
  readonly open: () => Readable;
  /** How long the server may leave bytes unread, in milliseconds. A slow source is not its fault. */
  readonly silenceMs: number;
  readonly onBytes: (bytes: number) => void;
}

/**
 * Sends a stream to a file by STOR (RFC 959 4.1.3), at the pace at which the server takes it. basic-ftp makes the data
 * connection; its own upload takes a broken data connection for the end of everything, and the reply that says why (a
 * quota, a full disk) is never read.
 *
 * @returns what was sent, after the server has said that it has the whole
 * @throws FTPS errors; what the stream failed with, as it is
 */
export async function transfer(request: Transfer): Promise<Sent> {
  const { client, peer, path, open, silenceMs, onBytes } = request;
  const { ftp } = client;
  try {
    await client.prepareTransfer(ftp);
  } catch (error) {
    throw toFtpsError(error, peer, 'data', 'EPSV');
  }
  if (ftp.dataSocket === undefined) throw new InternalError('basic-ftp made no data connection');
  const channel = new DataChannel(ftp.dataSocket, silenceMs);
  const reply = new Reply(client, `STOR ${path}`);
  try {
    await reply.ready;
    // The control connection is silent until the end; the data connection is watched meanwhile.
    ftp.socket.setTimeout(0);
    await channel.secured();
    const sent = await sendAll(open, channel, reply.failed, onBytes);
    ftp.socket.setTimeout(silenceMs);
    await reply.done;
    return sent;
  } catch (error) {
    if (error instanceof SourceError) {
      client.close(); // an end in order of the data connection would mean that the file is whole
      await reply.settled;
      throw error.cause;
    }
    channel.destroy();
    throw toFtpsError(await reasonFor(error, reply, request), peer, 'data', 'STOR');
  } finally {
    channel.destroy();
    ftp.dataSocket = undefined;
  }
}

/** What the server says of a transfer that broke off, or else what we saw of it. */
async function reasonFor(seen: unknown, reply: Reply, { client, silenceMs }: Transfer): Promise<unknown> {
  client.ftp.socket.setTimeout(Math.min(REASON_MS, silenceMs));
  const said = await reply.settled;
  return said instanceof FTPError ? said : seen;
}

/** The stream that was to be sent failed. */
class SourceError extends Error {}

/** Pumps until the stream ends, the channel breaks, or the server refuses the rest. */
async function sendAll(
  open: () => Readable,
  channel: DataChannel,
  refused: Promise<never>,
  onBytes: (bytes: number) => void,
): Promise<Sent> {
  const source = open();
  const failures: unknown[] = []; // of the source's own
  const endOfWatch = finished(source, { writable: false }, (error) => void failures.push(error));
  channel.onBroken(() => source.destroy());
  const pump = async (): Promise<Sent> => {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      await channel.write(chunk);
      hash.update(chunk);
      bytes += chunk.length;
      onBytes(chunk.length);
    }
    await channel.end();
    return { bytes, sha256: hash.digest('hex') };
  };
  const pumping = pump();
  try {
    return await Promise.race([pumping, refused]);
  } catch (error) {
    if (channel.broken === null && failures.includes(error))
      throw new SourceError('source', { cause: error });
    source.destroy();
    channel.destroy();
    await Promise.allSettled([pumping]);
    throw channel.broken ?? error;
  } finally {
    endOfWatch();
  }
}

/** The replies to one command: 1xx says that the server is ready, the next one how it went. */
class Reply {
  readonly ready: Promise<void>;
  readonly done: Promise<void>;
  /** Rejects when the command fails, and never resolves. */
  readonly failed: Promise<never>;
  /** What it failed with, or null; never rejects. */
  readonly settled: Promise<unknown>;

  constructor(client: Client, command: string) {
    let begun: () => void = () => undefined;
    const preliminary = new Promise<void>((resolve) => (begun = resolve));
    const replied: Promise<unknown> = client.ftp.handle(command, (reply, task) => {
      if (reply instanceof Error) task.reject(reply);
      else if (reply.code < 200) begun();
      else if (reply.code < 300) task.resolve(undefined);
      else task.reject(new FTPError(reply));
    });
    this.done = replied.then(() => undefined);
    this.ready = Promise.race([preliminary, this.done]);
    this.failed = this.done.then(() => new Promise<never>(() => undefined));
    this.settled = this.done.then(
      () => null,
      (error: unknown) => error,
    );
    // Each is awaited by who needs it; here they only may fail before.
    for (const promise of [this.ready, this.failed]) promise.catch(() => undefined);
  }
}

/** The data connection, taken from basic-ftp, for which its error would end the control connection too. */
class DataChannel {
  readonly #socket: Socket;
  readonly #ended = new AbortController();
  #broken: Error | null = null;
  #finished = false;
  #secured: boolean;

  constructor(socket: Socket, silenceMs: number) {
    this.#socket = socket;
    // It has only just begun to connect. There is a cipher, too, but already before the handshake has ended.
    this.#secured = !(socket instanceof TLSSocket);
    socket.once('secureConnect', () => (this.#secured = true));
    for (const event of ['error', 'close', 'timeout']) socket.removeAllListeners(event);
    socket.on('error', (error) => this.#break(error));
    socket.on('close', () => {
      if (!this.#finished) this.#break(new Error('closed by the server'));
    });
    socket.setTimeout(silenceMs, () => {
      // With nothing left to write it is the source that is slow.
      if (socket.writableLength > 0 || !this.#secured) socket.destroy(new Error('Timeout'));
    });
  }

  /** Why nothing more can be sent; null while it can. */
  get broken(): Error | null {
    return this.#broken;
  }

  onBroken(act: () => void): void {
    if (this.#broken !== null) act();
    else this.#ended.signal.addEventListener('abort', act, { once: true });
  }

  /** Resolves when the server's certificate has been verified: before that no byte may be given to the socket. */
  async secured(): Promise<void> {
    if (!this.#secured) await this.#event('secureConnect');
  }

  /** Resolves when more may be written. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#broken !== null) throw this.#broken;
    if (!this.#socket.write(chunk)) await this.#event('drain');
  }

  /** Resolves when everything has been handed to the network, the end of TLS with it. */
  async end(): Promise<void> {
    if (this.#broken !== null) throw this.#broken;
    const finish = this.#event('finish');
    this.#socket.end();
    await finish;
    this.#finished = true;
  }

  /** Whoever waits for it is told; nothing happens to one that has ended. */
  destroy(): void {
    if (!this.#finished) this.#break(new Error('ended by us'));
    this.#socket.destroy();
  }

  async #event(name: string): Promise<void> {
    try {
      await once(this.#socket, name, { signal: this.#ended.signal });
    } catch (error) {
      throw this.#broken ?? error;
    }
  }

  #break(error: Error): void {
    this.#broken ??= error;
    this.#ended.abort();
  }
}

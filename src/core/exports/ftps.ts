import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import type { Client } from 'basic-ftp';
import { pause, throwIfCancelled } from '../cancel.js';
import { CancelledError, codeOf, describeError, type PixlError } from '../errors.js';
import type { FtpsConfig } from '../config/config.js';
import type { Logger } from '../log.js';
import { FtpsConnectionError, FtpsSizeError, FtpsTlsError, isFtpError, toFtpsError } from './errors.js';
import type { Sent } from './ftps-transfer.js';
import { foldersOf, replacedPath, temporaryPath, type RemotePath } from './remote-path.js';

/** The configuration with its certificates read. */
export interface FtpsSettings extends Omit<FtpsConfig, 'caFile'> {
  /** PEM; null = the authorities of Node.js. */
  readonly ca: string | Buffer | null;
}

export interface SafeHavenOptions {
  readonly log: Logger;
  /** Gives up whatever is going on. */
  readonly signal?: AbortSignal;
  /** How long the server may be silent, or leave bytes unread. Default 60,000. */
  readonly silenceMs?: number;
  /** Pauses before the tries after the first. Default 1 s and 4 s. */
  readonly retryPausesMs?: readonly number[];
}

/** The data safe haven: a folder on an FTPS server, into which whole files are put. */
export interface SafeHaven {
  /**
   * Puts a file there. It is sent under a temporary name, the server's size of it is compared, and then it gets its name:
   * under this name there is never a part of a file. One that has the name already is replaced. Folders are made. When the
   * connection breaks everything is tried again, which is why the content is given as what opens it.
   *
   * Several calls at once take turns: there is one connection.
   *
   * @param open called for each try when the server is ready
   * @param onBytes told of each piece that was sent; may sum to more than the file when it is tried again
   * @param place called when all of the file is there: gives it its name by calling `rename`, or throws; told what was sent
   * @returns the size in bytes
   * @throws FtpsConnectionError, FtpsTlsError, FtpsLoginError, FtpsStorageFullError, FtpsReplyError, FtpsSizeError,
   *   CancelledError; what the stream fails with, after which nothing is tried again
   */
  put(
    path: RemotePath,
    open: () => Readable,
    onBytes?: (bytes: number) => void,
    place?: (rename: () => Promise<void>, sent: Sent) => Promise<void>,
  ): Promise<number>;
}

const SILENCE_MS = 60_000;
const RETRY_PAUSES_MS: readonly number[] = [1_000, 4_000];
/** Connect, TLS and login together. */
const LOGIN_MS = 30_000;
/** What is left of a file that did not make it is removed in this time, or left. */
const DISCARD_MS = 10_000;

/**
 * Logs in, lends the safe haven to `use`, and closes the connection whatever comes of it. What `use` may throw is
 * everything that {@link SafeHaven.put} may.
 *
 * @throws FtpsConnectionError, FtpsTlsError, FtpsLoginError, CancelledError
 */
export async function withSafeHaven<T>(
  settings: FtpsSettings,
  options: SafeHavenOptions,
  use: (haven: SafeHaven) => Promise<T>,
): Promise<T> {
  const haven = new FtpsSafeHaven(settings, options);
  try {
    await haven.connect();
    return await use(haven);
  } finally {
    haven.close();
  }
}

/**
 * Logs in and asks for the list of the folder that the login leads to, which needs a data connection: passive ports and
 * the TLS session that servers want to see again on them are what most often fails.
 *
 * @throws as {@link withSafeHaven}, and FtpsReplyError
 */
export async function checkSafeHaven(settings: FtpsSettings, options: SafeHavenOptions): Promise<void> {
  const haven = new FtpsSafeHaven(settings, options);
  try {
    await haven.list();
  } finally {
    haven.close();
  }
}

/** How errors and logs name the server. */
export function ftpsPeer({ host, port }: Pick<FtpsSettings, 'host' | 'port'>): string {
  return `ftps://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

class FtpsSafeHaven implements SafeHaven {
  readonly #settings: FtpsSettings;
  readonly #options: SafeHavenOptions;
  readonly #peer: string;
  readonly #silenceMs: number;
  #client: Client | null = null;
  /** Made, or seen to be there, since we connected. */
  #folders = new Set<RemotePath>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: FtpsSettings, options: SafeHavenOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#peer = ftpsPeer(settings);
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
  }

  async put(
    path: RemotePath,
    open: () => Readable,
    onBytes: (bytes: number) => void = () => undefined,
    place: (rename: () => Promise<void>, sent: Sent) => Promise<void> = (rename) => rename(),
  ): Promise<number> {
    const before = this.#turn;
    const work = before.then(() => this.#withRetries(() => this.#putOnce(path, open, onBytes, place)));
    this.#turn = work.catch(() => undefined); // its caller gets the error
    return work;
  }

  async connect(): Promise<void> {
    await this.#withRetries(async () => {
      await this.#connected();
    });
  }

  async list(): Promise<void> {
    const client = await this.#connected();
    await this.#ask(client, 'LIST', () => client.list(), 'data');
  }

  close(): void {
    this.#client?.close();
    this.#client = null;
  }

  /** Bounded; only what may be gone by the next moment is tried again. */
  async #withRetries<T>(work: () => Promise<T>): Promise<T> {
    for (const pauseMs of this.#options.retryPausesMs ?? RETRY_PAUSES_MS) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof FtpsConnectionError || error instanceof FtpsSizeError)) throw error;
        this.#options.log.warn(
          { operation: 'FTPS', code: codeOf(error), reason: describeError(error) },
          'trying again',
        );
        await pause(pauseMs, this.#signal, 'FTPS');
      }
    }
    return work();
  }

  async #putOnce(
    path: RemotePath,
    open: () => Readable,
    onBytes: (bytes: number) => void,
    place: (rename: () => Promise<void>, sent: Sent) => Promise<void>,
  ): Promise<number> {
    const { transfer } = await import('./ftps-transfer.js');
    const client = await this.#connected();
    await this.#makeFolders(client, path);
    const token = randomBytes(6).toString('hex');
    const temporary = temporaryPath(path, token);
    try {
      const sent = await this.#cancellable(client, () =>
        transfer({ client, peer: this.#peer, path: temporary, open, silenceMs: this.#silenceMs, onBytes }),
      );
      const held = await this.#ask(client, 'SIZE', () => client.size(temporary));
      if (held !== sent.bytes) throw new FtpsSizeError(this.#peer, sent.bytes, held);
      await place(() => this.#ask(client, 'RNTO', () => this.#rename(client, temporary, path, token)), sent);
      return sent.bytes;
    } catch (error) {
      await this.#discard(temporary);
      throw error;
    }
  }

  /** A folder that can't be made shows when the file is put into it; servers tell "exists" in many ways. */
  async #makeFolders(client: Client, path: RemotePath): Promise<void> {
    for (const folder of foldersOf(path)) {
      if (this.#folders.has(folder)) continue;
      await this.#ask(client, 'MKD', () => client.sendIgnoringError(`MKD ${folder}`));
      this.#folders.add(folder);
    }
  }

  /**
   * There are servers that rename onto no file that is there (proftpd without AllowOverwrite), and their 550 or 553 may as well
   * mean that we may rename nothing. So nothing is deleted before the new file has its name: the old one is moved aside, and
   * back when that was not the reason.
   */
  async #rename(client: Client, from: RemotePath, to: RemotePath, token: string): Promise<void> {
    try {
      await client.rename(from, to);
      return;
    } catch (error) {
      if (!isFtpError(error) || (error.code !== 550 && error.code !== 553)) throw error;
      const aside = replacedPath(to, token);
      if (!(await isThere(client, to)) || !(await isMoved(client, to, aside))) throw error;
      try {
        await client.rename(from, to);
      } catch (second) {
        if (!(await isMoved(client, aside, to)))
          this.#options.log.warn(
            { operation: 'FTPS' },
            'the file that was there before is left with another name',
          );
        throw second;
      }
      const removed = await client.remove(aside, true);
      if (removed.code >= 400)
        this.#options.log.warn({ operation: 'FTPS' }, 'the file that was replaced is left with another name');
    }
  }

  /** Takes away what there is of a file that did not make it. What is left bears a name that says so. */
  async #discard(temporary: RemotePath): Promise<void> {
    try {
      const client = this.#client?.closed === false ? this.#client : await this.#login(DISCARD_MS);
      this.#client = client;
      await within(DISCARD_MS, this.#peer, client, client.remove(temporary, true));
    } catch (error) {
      this.#options.log.warn(
        {
          operation: 'FTPS',
          code: codeOf(error),
          reason: describeError(toFtpsError(error, this.#peer, 'control', 'DELE')),
        },
        'a file with a temporary name may be left on the server',
      );
    }
  }

  async #connected(): Promise<Client> {
    throwIfCancelled(this.#signal, 'FTPS');
    if (this.#client?.closed === false) return this.#client;
    this.#client = await this.#login(LOGIN_MS, this.#options.signal);
    return this.#client;
  }

  async #login(timeoutMs: number, signal?: AbortSignal): Promise<Client> {
    const { host, port, username, password, tls } = this.#settings;
    this.close();
    this.#folders.clear();
    const { Client } = await import('basic-ftp'); // of no use to who sends nothing
    const client = new Client(this.#silenceMs);
    const endOfWatch = whenAborted(signal, () => client.close());
    try {
      await within(
        timeoutMs,
        this.#peer,
        client,
        client.access({
          host,
          port,
          user: username,
          password,
          secure: tls === 'implicit' ? 'implicit' : true,
          secureOptions: tlsOptions(this.#settings),
        }),
      );
      return client;
    } catch (error) {
      client.close();
      if (signal?.aborted === true) throw new CancelledError('FTPS');
      throw loginError(error, this.#peer);
    } finally {
      endOfWatch();
    }
  }

  /** For all but a transfer, whose stream may fail with errors of its own. */
  async #ask<T>(
    client: Client,
    operation: string,
    work: () => Promise<T>,
    channel: 'control' | 'data' = 'control',
  ): Promise<T> {
    return this.#cancellable(client, async () => {
      try {
        return await work();
      } catch (error) {
        throw toFtpsError(error, this.#peer, channel, operation);
      }
    });
  }

  /** A closed client fails with whatever it is doing. */
  async #cancellable<T>(client: Client, work: () => Promise<T>): Promise<T> {
    throwIfCancelled(this.#signal, 'FTPS');
    const endOfWatch = whenAborted(this.#options.signal, () => client.close());
    try {
      return await work();
    } catch (error) {
      throwIfCancelled(this.#signal, 'FTPS');
      throw error;
    } finally {
      endOfWatch();
    }
  }

  get #signal(): AbortSignal {
    return this.#options.signal ?? NEVER;
  }
}

const NEVER = new AbortController().signal;

async function isThere(client: Client, path: RemotePath): Promise<boolean> {
  return refusalAsFalse(() => client.size(path));
}

async function isMoved(client: Client, from: RemotePath, to: RemotePath): Promise<boolean> {
  return refusalAsFalse(() => client.rename(from, to));
}

async function refusalAsFalse(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (isFtpError(error)) return false;
    throw error;
  }
}

function tlsOptions({ host, verify, ca }: FtpsSettings): ConnectionOptions {
  return {
    host,
    rejectUnauthorized: verify,
    minVersion: 'TLSv1.2',
    ...(ca === null ? {} : { ca }),
    // An address is no server name (RFC 6066 3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
  };
}

/** A server that answers AUTH TLS with "not understood" has refused neither name nor password. */
function loginError(error: unknown, peer: string): PixlError {
  if (isFtpError(error) && [500, 502, 504, 534].includes(error.code))
    return new FtpsTlsError(peer, 'no-tls', error);
  return toFtpsError(error, peer, 'control', 'login');
}

/** basic-ftp has a limit for each reply, but none for a TLS handshake. */
async function within<T>(ms: number, peer: string, client: Client, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new FtpsConnectionError(peer, 'control', 'no answer in time'));
      client.close();
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined); // after the limit nobody waits for it
  }
}

/** @returns a function that ends the subscription */
function whenAborted(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted === true) act();
  else signal?.addEventListener('abort', act, { once: true });
  return () => signal?.removeEventListener('abort', act);
}

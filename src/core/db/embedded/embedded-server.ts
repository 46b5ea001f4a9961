import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { pause } from '../../cancel.js';
import { describeError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { DatabaseSettings } from '../client.js';
import { answers, claimFolder, type FolderClaim } from './claim.js';
import { EmbeddedDatabaseError } from './errors.js';
import { EMBEDDED_PORT, embeddedPaths } from './folder.js';
import type { WorkerMessage, WorkerTask } from './worker.js';

export interface EmbeddedServerOptions {
  /** Made when it is not there. */
  readonly folder: string;
  readonly log: Logger;
  /** How long to wait for a process that has the folder, in ms. Default 0. */
  readonly waitMs?: number;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
}

/** PostgreSQL in a thread of this process: PGlite behind a socket in its folder, which every client reaches the same way. */
export interface EmbeddedServer {
  /** What `openDatabase` takes. */
  readonly settings: DatabaseSettings;
  /** Breaks off what its clients are doing. */
  close(): Promise<void>;
}

const RESTART_FIRST_MS = 100;
const RESTART_MAX_MS = 10_000;

/** How to reach the embedded database of a folder whose server runs, in this process or in another. */
export function embeddedSettings(folder: string): DatabaseSettings {
  const host = resolve(folder);
  return { host, port: EMBEDDED_PORT, name: 'postgres', user: 'postgres', password: null, tls: null };
}

/** Whether some process serves the folder's database now. */
export function isEmbeddedServed(folder: string): Promise<boolean> {
  return answers(embeddedPaths(resolve(folder)).socket);
}

/**
 * Opens the folder's database, made when there is none, and serves it until closed. When the engine breaks off (a full
 * disk) it is started again, which recovers it as after a crash; clients see a server that went away and came back.
 *
 * @throws EmbeddedFolderInUseError, EmbeddedDatabaseError, CancelledError
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const { log, waitMs = 0, signal = new AbortController().signal } = options;
  const folder = resolve(options.folder);
  const claim = await claimFolder(folder, waitMs, signal);
  try {
    if (!existsSync(embeddedPaths(folder).database)) await makeIn(folder);
    const server = new Server(folder, claim, log);
    await server.start();
    return server;
  } catch (error) {
    await claim.release();
    throw error;
  }
}

class Server implements EmbeddedServer {
  readonly settings: DatabaseSettings;
  readonly #folder: string;
  readonly #claim: FolderClaim;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #worker: Worker | undefined;
  #watching: Promise<void> = Promise.resolve();

  constructor(folder: string, claim: FolderClaim, log: Logger) {
    this.#folder = folder;
    this.#claim = claim;
    this.#log = log;
    this.settings = embeddedSettings(folder);
  }

  async start(): Promise<void> {
    const worker = await started(this.#folder);
    this.#worker = worker;
    this.#watching = this.#watch(worker);
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return this.#watching;
    this.#stop.abort();
    this.#worker?.postMessage('close');
    await this.#watching;
    await this.#claim.release();
  }

  async #watch(first: Worker): Promise<void> {
    let worker: Worker | undefined = first;
    for (let failures = 0; !this.#stop.signal.aborted || worker !== undefined;) {
      try {
        worker ??= await started(this.#folder);
        this.#worker = worker;
        if (this.#stop.signal.aborted) worker.postMessage('close');
        const [code] = (await once(worker, 'exit')) as [number];
        if (this.#stop.signal.aborted) return;
        this.#log.error(
          { operation: 'embedded database', code: String(code) },
          'the embedded database broke off',
        );
        failures = 0;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const reason = describeError(error);
        this.#log.error({ operation: 'embedded database', reason }, 'the embedded database does not start');
      }
      worker = undefined;
      this.#worker = undefined;
      failures += 1;
      const ms = Math.min(RESTART_MAX_MS, RESTART_FIRST_MS * 2 ** failures);
      await pause(ms, this.#stop.signal, 'restart').catch(() => undefined);
    }
  }
}

function workerFor(folder: string, task: WorkerTask['task']): Worker {
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: { folder, task } satisfies WorkerTask,
    name: 'embedded database',
  });
  // Nothing throws past the worker's own catch but a defect; 'exit' follows, and says the same.
  worker.on('error', () => undefined);
  return worker;
}

async function makeIn(folder: string): Promise<void> {
  const worker = workerFor(folder, 'make');
  const failure = failureOf(worker);
  const [code] = (await once(worker, 'exit')) as [number];
  if (code !== 0) throw new EmbeddedDatabaseError(folder, `it could not be made (${failure()})`);
}

/** A worker that serves. */
async function started(folder: string): Promise<Worker> {
  const worker = workerFor(folder, 'serve');
  const failure = failureOf(worker);
  const isReady = await new Promise<boolean>((resolve) => {
    worker.once('exit', () => resolve(false));
    worker.on('message', (message: WorkerMessage) => message.kind === 'ready' && resolve(true));
  });
  if (!isReady) throw new EmbeddedDatabaseError(folder, `it could not be opened (${failure()})`);
  return worker;
}

/** Why it ended, as far as it said. */
function failureOf(worker: Worker): () => string {
  let name = 'the engine broke off';
  worker.on('message', (message: WorkerMessage) => {
    if (message.kind === 'failed') name = message.name;
  });
  worker.on('error', (error) => {
    name = error.name;
  });
  return () => name;
}

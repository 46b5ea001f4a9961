import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

/**
 * PGlite as V8's baseline compiler makes it, and no function once more by the optimizing one when so many bytes of it have
 * run. On Node 20 that is half of the CPU that a start takes, for functions that are not used again; on Node 24 it takes
 * 500 MiB for a second or two, at whatever moment. Statements, most of whose time is not spent in there, get no faster by it.
 * With only some of these flags V8 optimizes everything at once, or as much as before.
 */
const BASELINE_CODE = ['--liftoff-only', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'];
for (const flag of BASELINE_CODE) setFlagsFromString(flag);

/** What PGlite starts with by itself, without `-F` (no fsync) and `-O`; what is of our own stands behind it. */
const START_PARAMETERS = [
  '--single',
  '-j',
  ...[
    ...['search_path=public', 'exit_on_error=false', 'log_checkpoints=false', 'io_method=sync'],
    ...['max_worker_processes=0', 'max_parallel_workers=0', 'max_parallel_workers_per_gather=0'],
    'max_parallel_maintenance_workers=0',
    // fdatasync, the default, does nothing in PGlite's C library; fsync is handed on to DurableFs.
    ...['fsync=on', 'wal_sync_method=fsync'],
    // A small site's: what it does at once are some rows.
    ...['shared_buffers=32MB', 'min_wal_size=32MB', 'max_wal_size=64MB'],
  ].flatMap((setting) => ['-c', setting]),
];

/** The part of Emscripten's file system that concerns us; PGlite gives no types for it. */
interface EmscriptenFiles {
  readonly NODEFS: {
    readonly stream_ops: { fsync?: (stream: { readonly nfd: number }) => void };
    tryFSOperation(work: () => void): void;
  };
}

/** PGlite's files in a folder, with fsync: without it a commit would survive a kill, but no loss of power. */
class DurableFs extends NodeFS {
  override async init(...[pg, options]: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(pg, options);
    const addFsync = (module: unknown): void => {
      const { NODEFS } = module as EmscriptenFiles;
      NODEFS.stream_ops.fsync = ({ nfd }) => NODEFS.tryFSOperation(() => fsyncSync(nfd));
    };
    return {
      emscriptenOpts: {
        ...emscriptenOpts,
        preRun: [...preRuns(emscriptenOpts), addFsync],
        // PostgreSQL's PANIC. The engine can't go on, and PGlite would not notice.
        onAbort: () => process.exit(ENGINE_ABORTED),
      },
    };
  }
}

type PreRun = (module: unknown) => void;

function preRuns({ preRun }: { readonly preRun?: unknown }): PreRun[] {
  return (Array.isArray(preRun) ? preRun : preRun === undefined ? [] : [preRun]) as PreRun[];
}

/** With this a thread ends whose engine broke off. */
export const ENGINE_ABORTED = 70;

/**
 * Makes a database, which takes some seconds. It is made beside its place and gets its name when it is whole and on the
 * disk, so that there is never half a one.
 */
export async function makeDatabase(path: string): Promise<void> {
  const folder = dirname(path);
  const unfinished = `${path}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  const made = await PGlite.create({ fs: new DurableFs(unfinished), startParams: START_PARAMETERS });
  await made.close();
  syncTree(unfinished);
  renameSync(unfinished, path);
  syncPath(folder);
}

function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) syncTree(inside);
    else if (entry.isFile()) syncPath(inside);
  }
  syncPath(path);
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** PostgreSQL in this thread: one backend, which answers before the call returns. */
export class Engine {
  readonly #pglite: PGlite;

  private constructor(pglite: PGlite) {
    this.#pglite = pglite;
  }

  /** Opens a database that `makeDatabase` made, and brings it to where it was if its process was killed. */
  static async open(path: string): Promise<Engine> {
    return new Engine(await PGlite.create({ fs: new DurableFs(path), startParams: START_PARAMETERS }));
  }

  /** Gives the backend messages of the frontend/backend protocol; `onData` gets its answer, all before it resolves. */
  async exchange(bytes: Uint8Array, onData: (bytes: Buffer) => void): Promise<void> {
    // What is passed on is a view of the engine's memory.
    await this.#pglite.execProtocolRawStream(bytes, { onRawData: (data) => onData(Buffer.from(data)) });
  }

  /** For housekeeping, between the turns of the clients. */
  async query<Row>(sql: string): Promise<Row[]> {
    return (await this.#pglite.query<Row>(sql)).rows;
  }

  async close(): Promise<void> {
    await this.#pglite.close();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Closers } from '../src/core/closers.js';
import type { Config } from '../src/core/config/index.js';
import {
  EmbeddedFolderInUseError,
  embeddedSettings,
  isEmbeddedServed,
  migrateUp,
  openDatabase,
  startEmbeddedServer,
  type Database,
} from '../src/core/db/index.js';
import type { Logger } from '../src/core/log.js';
import { openTableBroker, type BrokerConnection, type BrokerOptions } from '../src/queue/index.js';
import { broker } from './broker.js';
import { database } from './database.js';

/** The database and the broker that a command works with: the configured ones, or the embedded database for both. */
export interface Backing {
  /** The configuration must have been read with `database` as a need, unless the parts are embedded. */
  database(): Promise<Database>;
  /** What `start` holds is as in BrokerOptions; it is of no meaning to embedded parts. */
  broker(start: Pick<BrokerOptions, 'startTimeoutMs' | 'startSignal'>): Promise<BrokerConnection>;
}

/** The daemon waits so long for a command that has the folder, a command for one that is about to open it. */
const FOLDER_WAIT_MS = 20_000;
const FOLDER_POLL_MS = 200;

/** What `closers` owns, each opened when it is first asked for. */
export function backingFor(config: Config, embedded: boolean, log: Logger, closers: Closers): Backing {
  if (!embedded)
    return {
      database: () => Promise.resolve(database(config, log, closers)),
      broker: (start) => broker(config, log, closers, start),
    };
  let opened: Promise<Database> | undefined;
  return embeddedBacking(config, log, closers, () => (opened ??= joinOrServe(config, log, closers)));
}

/** The daemon's: the database is this process' own. @throws EmbeddedFolderInUseError, EmbeddedDatabaseError, CancelledError */
export async function servedBacking(
  config: Config,
  log: Logger,
  closers: Closers,
  signal: AbortSignal,
): Promise<Backing> {
  const opened = await serveFolder(config, log, closers, FOLDER_WAIT_MS, signal);
  return embeddedBacking(config, log, closers, () => Promise.resolve(opened));
}

function embeddedBacking(
  { embeddedDir }: Config,
  log: Logger,
  closers: Closers,
  opened: () => Promise<Database>,
): Backing {
  return {
    database: opened,
    broker: async () => {
      const connection = await openTableBroker({ database: await opened(), name: embeddedDir, log });
      closers.add('queue', () => connection.close());
      return connection;
    },
  };
}

/** PGlite is one process': where one has the folder open, its socket is used; else it is opened here. */
async function joinOrServe(config: Config, log: Logger, closers: Closers): Promise<Database> {
  const deadline = performance.now() + FOLDER_WAIT_MS;
  for (;;) {
    if (await isEmbeddedServed(config.embeddedDir)) return client(config, log, closers);
    try {
      return await serveFolder(config, log, closers, 0);
    } catch (error) {
      if (!(error instanceof EmbeddedFolderInUseError) || performance.now() >= deadline) throw error;
      await sleep(FOLDER_POLL_MS); // the one that has it is about to open or to close it
    }
  }
}

async function serveFolder(
  config: Config,
  log: Logger,
  closers: Closers,
  waitMs: number,
  signal?: AbortSignal,
): Promise<Database> {
  const folder = config.embeddedDir;
  const server = await startEmbeddedServer({
    folder,
    log,
    waitMs,
    ...(signal === undefined ? {} : { signal }),
  });
  closers.add('embedded database', () => server.close());
  const opened = client(config, log, closers);
  if (!config.skipMigrations) await migrateUp(opened, log);
  return opened;
}

function client(config: Config, log: Logger, closers: Closers): Database {
  const opened = openDatabase(embeddedSettings(config.embeddedDir), { log });
  closers.add('database', () => opened.close());
  return opened;
}

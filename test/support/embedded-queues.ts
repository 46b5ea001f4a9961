import { expect } from 'chai';
import {
  embeddedSettings,
  isEmbeddedServed,
  openDatabase,
  startEmbeddedServer,
  type Database,
} from '../../src/core/db/index.js';
import { silentLogger } from '../../src/core/log.js';
import { openTableBroker, Publisher } from '../../src/queue/index.js';
import type { DaemonQueues, LyingMessage, Tap } from './daemon-queues.js';
import { makeEmbeddedFolder } from './embedded.js';
import { eventually } from './eventually.js';
import { closeAtEnd, openLongLived } from './long-lived.js';
import { drainTable, lyingMessage, MESSAGE_COLUMNS, tableDepth } from './table-queues.js';
import { tempDir } from './temp-dir.js';

const log = silentLogger;
/** A process that was killed a moment ago may still have the folder. */
const FOLDER_WAIT_MS = 10_000;

/** Folders without a daemon; to make one takes longer than a test. What a daemon left in its queues is under names of its own. */
const free: string[] = [];

function newFolder(): Promise<string> {
  return openLongLived('an embedded folder', async () => {
    const dir = tempDir('embedded-daemon');
    closeAtEnd('an embedded folder', () => {
      free.length = 0;
      dir.remove();
    });
    await makeEmbeddedFolder(dir.path);
    return dir.path;
  });
}

/** Queues in an embedded database whose folder no other daemon has. */
export async function embeddedQueues(): Promise<DaemonQueues> {
  const folder = free.pop() ?? (await newFolder());
  const inside = <T>(work: (database: Database) => Promise<T>): Promise<T> => inFolder(folder, work);
  return {
    environment: { PIXL_EMBEDDED_DIR: folder },
    options: ['--embedded'],
    publish: (queue, bodies, properties) =>
      inside(async (database) => {
        const connection = await openTableBroker({ database, name: 'embedded', log });
        try {
          await connection.declareQueue(queue);
          const publisher = new Publisher({ connection });
          for (const body of bodies) await publisher.publish(queue, body, properties);
          await publisher.close();
        } finally {
          await connection.close();
        }
      }),
    depths: (queues) => inside((database) => Promise.all(queues.map((queue) => tableDepth(database, queue)))),
    drain: (queue) => inside((database) => drainTable(database, queue)),
    tap: (queue) => tap(inside, queue),
    close: () => {
      free.push(folder);
      return Promise.resolve();
    },
  };
}

/** By the socket of the daemon that has the folder, or without one. */
async function inFolder<T>(folder: string, work: (database: Database) => Promise<T>): Promise<T> {
  if (await isEmbeddedServed(folder)) return withClient(folder, work);
  const server = await startEmbeddedServer({ folder, log, waitMs: FOLDER_WAIT_MS });
  try {
    return await withClient(folder, work);
  } finally {
    await server.close();
  }
}

async function withClient<T>(folder: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase(embeddedSettings(folder), { log });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** What no consumer has: a message with it is in the test's hands. */
const OURS = -1;

/** A message that comes into the queue is ours before anybody can see it. */
async function tap(
  inside: <T>(work: (database: Database) => Promise<T>) => Promise<T>,
  queue: string,
): Promise<Tap> {
  const all = async (...statements: readonly string[]): Promise<void> => {
    await inside(async (database) => {
      for (const statement of statements) await database.query(statement);
    });
  };
  const remove = 'DROP FUNCTION IF EXISTS pixl_queue.tap CASCADE';
  const giveBack = `UPDATE pixl_queue.message SET consumer_id = NULL, redelivered = true WHERE consumer_id = ${OURS}`;
  await all(
    `CREATE FUNCTION pixl_queue.tap() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN NEW.consumer_id := ${OURS}; RETURN NEW; END $$`,
    `CREATE TRIGGER tap BEFORE INSERT ON pixl_queue.message
     FOR EACH ROW WHEN (NEW.queue = '${queue}') EXECUTE FUNCTION pixl_queue.tap()`,
  );
  return {
    next: async () => ({
      message: await eventually(() => inside(tapped)),
      release: () => all(remove, giveBack),
    }),
    close: () => all(remove, giveBack),
  };
}

async function tapped(database: Database): Promise<LyingMessage> {
  const { rows } = await database.query<Parameters<typeof lyingMessage>[0]>(
    `SELECT ${MESSAGE_COLUMNS} FROM pixl_queue.message WHERE consumer_id = ${OURS} ORDER BY place`,
  );
  expect(rows).not.to.deep.equal([]);
  return lyingMessage(rows[0]!);
}

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import {
  openDatabase,
  startEmbeddedServer,
  type Database,
  type EmbeddedServer,
} from '../../src/core/db/index.js';
import { silentLogger } from '../../src/core/log.js';
import { closeAtEnd, openLongLived } from './long-lived.js';
import { startProcess, type ManagedProcess } from './processes.js';
import { tempDir } from './temp-dir.js';

let template: Promise<string> | undefined;

/** A folder of an embedded database that nobody has used; made once for all tests of the process, it takes seconds. */
function emptyFolder(): Promise<string> {
  template ??= openLongLived('embedded template', async () => {
    const dir = tempDir('embedded-template');
    closeAtEnd('embedded template', () => dir.remove());
    await (await startEmbeddedServer({ folder: dir.path, log: silentLogger })).close();
    return dir.path;
  });
  return template;
}

/** Makes `folder` one with an empty embedded database. */
export async function makeEmbeddedFolder(folder: string): Promise<void> {
  cpSync(join(await emptyFolder(), 'db'), join(folder, 'db'), { recursive: true });
}

/** An embedded database in a folder of its own, and a client of it. */
export async function withEmbeddedDatabase<T>(
  work: (database: Database, server: EmbeddedServer, folder: string) => Promise<T>,
): Promise<T> {
  const dir = tempDir('embedded');
  try {
    await makeEmbeddedFolder(dir.path);
    const server = await startEmbeddedServer({ folder: dir.path, log: silentLogger });
    const database = openDatabase(server.settings, { log: silentLogger });
    try {
      return await work(database, server, dir.path);
    } finally {
      await database.close();
      await server.close();
    }
  } finally {
    dir.remove();
  }
}

/** Runs a program of dist/test/support, given what it needs as JSON; it writes what it has done, a line each. */
export function startProgram(program: string, task: unknown): Promise<ManagedProcess> {
  return startProcess({
    name: program,
    command: process.execPath,
    args: [join(import.meta.dirname, `${program}.js`), JSON.stringify(task)],
  });
}

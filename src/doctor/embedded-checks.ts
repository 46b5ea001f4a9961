import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Config } from '../core/config/index.js';
import { variables } from '../core/config/variables.js';
import { checkFolderPath, migrationStatus, type Database } from '../core/db/index.js';
import { sound, wrong, type Check } from './check.js';
import { listenOnce } from './http-check.js';

/** What `serve --embedded` has in its folder, as seen from outside. */
export interface EmbeddedParts {
  /** An absolute path. */
  readonly folder: string;
  /** Whether a daemon, or a command, has it open: then its stores are there, and its database can be asked. */
  readonly isServed: boolean;
  /** Which stores are the daemon's own; the others are configured. */
  readonly stores: ReadonlySet<'raw' | 'anon'>;
}

export const FOLDER = 'folder';

/** Can the folder be made, or used? It is not made here, nor opened. */
export function folderCheck({ folder, isServed }: EmbeddedParts): Check {
  const { name } = variables.embeddedDir;
  return {
    name: FOLDER,
    run: async () => {
      checkFolderPath(folder);
      if (isServed) return sound(`${folder} is open in a daemon, or in a command`);
      const there = await nearestExisting(folder);
      if (!(await isUsable(there)))
        return wrong(
          there === folder ? `${folder} may not be read and written` : `${folder} can't be made in ${there}`,
          `give the daemon's user ${there}, or set ${name} to a folder of that user`,
        );
      return sound(
        there === folder
          ? `${folder} is there, and nobody has it open`
          : `${folder} is made by the daemon at its first start`,
      );
    },
    mendOf: () => `set ${name} to another folder, on a local disk`,
  };
}

/** Is the database in the folder as this version wants it? Asked where somebody has it open. */
export function embeddedDatabaseCheck(database: Database): Check {
  return {
    name: 'database',
    after: [FOLDER],
    run: async () => {
      const { applied, pending } = await migrationStatus(database);
      if (pending.length > 0)
        return wrong(
          `pending: ${pending.join(', ')}`,
          `restart the daemon with this version, without ${variables.skipMigrations.name}`,
        );
      return sound(`the database in the folder answers, ${applied.length} steps done`);
    },
    mendOf: () => "look in the daemon's log",
  };
}

/** Could the daemon make the store at its start? */
export function storeToBeMadeCheck(
  name: 'raw' | 'anon',
  { host, port }: Config['embeddedStores']['raw'],
): Check {
  const variable = name === 'raw' ? 'ORTHANC_RAW_DICOM_PORT' : 'ORTHANC_ANON_DICOM_PORT';
  return {
    name,
    run: async () => {
      const code = await listenOnce(host, port);
      if (code === null) return sound(`${host}:${port} is free: the daemon makes it there at its start`);
      return wrong(
        code === 'EADDRINUSE'
          ? `${host}:${port} is taken by something else`
          : `can't listen on ${host}:${port}: ${code}`,
        `end what listens there, or set ${variable} to another port`,
      );
    },
    mendOf: () => `correct ${variable}`,
  };
}

async function nearestExisting(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? path : nearestExisting(dirname(path));
}

async function isUsable(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return (await stat(folder)).isDirectory();
  } catch {
    return false;
  }
}

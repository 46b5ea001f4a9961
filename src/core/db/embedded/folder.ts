import { join } from 'node:path';
import { EmbeddedDatabaseError } from './errors.js';

/** PGlite imitates PostgreSQL's files: what stands here can be read by nothing else, and is one database. */
const DATABASE = 'db';
/** PostgreSQL's own name for the socket of port 5432, so that libpq finds it: `psql -h ./pixl-data`. */
const SOCKET = '.s.PGSQL.5432';
/** `sun_path` of unix(7) holds 108 bytes, the last of them 0; macOS has 104. */
const MAX_SOCKET_PATH = 103;
const LONGEST_NAME = '.lock-00000000';

/** The port that stands in the socket's name. */
export const EMBEDDED_PORT = 5432;

/** Where the parts of an embedded database lie in its folder, an absolute path. */
export function embeddedPaths(folder: string): { readonly database: string; readonly socket: string } {
  return { database: join(folder, DATABASE), socket: join(folder, SOCKET) };
}

/** @throws EmbeddedDatabaseError when the folder's path leaves no room for the name of a socket in it */
export function checkFolderPath(folder: string): void {
  const most = MAX_SOCKET_PATH - LONGEST_NAME.length - 1;
  if (Buffer.byteLength(folder) > most)
    throw new EmbeddedDatabaseError(folder, `its path is longer than ${most} bytes`);
}

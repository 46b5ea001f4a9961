import { InvalidValueError } from '../errors.js';

declare const brand: unique symbol;
/** A path under the folder that the login leads to, which it can't leave; its names are joined by `/`. */
export type RemotePath = string & { readonly [brand]: 'RemotePath' };

/** File systems allow 255 bytes to a name; a temporary name is longer than the one it stands for. */
const MAX_NAME_BYTES = 200;
/** RFC 959 names no limit to a command line; servers read at least 1 KiB. */
const MAX_PATH_BYTES = 900;

/**
 * Joins names to a path. A name that could mean anything but a file or folder of that name is refused: `..`, a separator,
 * a control character (it would end the command), blanks at either end (servers cut them off), `~` in front (a home).
 *
 * @throws InvalidValueError
 */
export function remotePath(...names: readonly [string, ...string[]]): RemotePath {
  for (const name of names) {
    const problem = problemOf(name);
    if (problem !== null) throw new InvalidValueError('remote name', problem);
  }
  const path = names.join('/');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new InvalidValueError('remote path', `longer than ${MAX_PATH_BYTES} bytes`);
  return path as RemotePath;
}

function problemOf(name: string): string | null {
  if (name === '') return 'empty';
  if (name === '.' || name === '..') return `"${name}" is another folder`;
  if (/[/\\]/.test(name)) return 'holds a separator';
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(name)) return 'holds a control character';
  if (name.trim() !== name) return 'begins or ends with a blank';
  if (name.startsWith('~')) return 'begins with ~, which servers take for a home folder';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `longer than ${MAX_NAME_BYTES} bytes`;
  return null;
}

/** The folders above, outermost first. */
export function foldersOf(path: RemotePath): RemotePath[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/') as RemotePath);
}

/**
 * In the same folder, so that a rename moves no bytes, and with another ending, so that no `*.zip` finds it. There are servers
 * that forbid names with a dot in front (vsftpd by its `deny_file`).
 */
export function temporaryPath(path: RemotePath, token: string): RemotePath {
  return `${path}.${token}.part` as RemotePath;
}

/** Where a file is moved to that gives its name to another. */
export function replacedPath(path: RemotePath, token: string): RemotePath {
  return `${path}.${token}.old` as RemotePath;
}

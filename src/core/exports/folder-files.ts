import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, type Dirent } from 'node:fs';
import { mkdir, open, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ExportFilesError } from './export-errors.js';

/** A file of an extract. */
export interface FolderFile {
  /** Relative to the folder, its names joined by `/`. */
  readonly path: string;
  readonly bytes: number;
}

/**
 * The regular files of a folder and the folders in it, in the order of their paths. Links are followed within the folder.
 *
 * @param name what errors call the folder
 * @throws ExportFilesError for a link that leads out of the folder, for what is neither file nor folder
 */
export async function filesOf(folder: string, name: string): Promise<FolderFile[]> {
  const found: FolderFile[] = [];
  const root = await realpath(folder);
  await collect(root, '', found, name);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** An extract has tens of folders; a link that leads up would make them endless. */
const MAX_DEPTH = 16;

async function collect(root: string, inside: string, found: FolderFile[], name: string): Promise<void> {
  if (inside.split('/').length > MAX_DEPTH)
    throw new ExportFilesError(name, 'its folders are nested too deep');
  for (const entry of await readdir(join(root, inside), { withFileTypes: true })) {
    const path = inside === '' ? entry.name : `${inside}/${entry.name}`;
    await refuseLinkOut(root, path, entry, name);
    const stats = await stat(join(root, path));
    if (stats.isDirectory()) await collect(root, path, found, name);
    else if (stats.isFile()) found.push({ path, bytes: stats.size });
    else throw new ExportFilesError(`${name}/${path}`, 'neither a file nor a folder');
  }
}

/** The private part lies beside the public one: a link to it would carry identifiers out. */
async function refuseLinkOut(root: string, path: string, entry: Dirent, name: string): Promise<void> {
  if (!entry.isSymbolicLink()) return;
  const target = await realpath(join(root, path));
  if (!`${target}${sep}`.startsWith(`${root}${sep}`))
    throw new ExportFilesError(`${name}/${path}`, 'a link that leads out of the folder');
}

/** Copies files, as streams, into a folder that is made, and flushes them to disk. */
export async function copyFiles(from: string, files: readonly FolderFile[], to: string): Promise<void> {
  const folders = new Set([to]);
  for (const { path } of files) {
    const target = join(to, path);
    const folder = join(target, '..');
    if (!folders.has(folder)) folders.add(folder);
    await mkdir(folder, { recursive: true });
    await pipeline(
      createReadStream(join(from, path)),
      createWriteStream(target, { flags: 'wx', flush: true }),
    );
  }
  for (const folder of folders) await flushFolder(folder);
}

/** The same for the same files with the same bytes. */
export async function digestOf(folder: string, files: readonly FolderFile[]): Promise<string> {
  const all = createHash('sha256');
  for (const { path } of files) {
    const one = createHash('sha256');
    await pipeline(createReadStream(join(folder, path)), one);
    all.update(`${JSON.stringify(path)} ${one.digest('hex')}\n`);
  }
  return all.digest('hex');
}

/** A new name in a folder outlives a power cut once the folder is flushed. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../../core/errors.js';
import type { Logger } from '../../core/log.js';
import { DataSetHeadError } from '../errors.js';
import type { IndexCache } from './index-cache.js';
import { InstanceIndex } from './instance-index.js';
import { readInstance } from './read-instance.js';

/** How many files are looked at at a time. */
const PARALLEL = 16;

interface FoundFile {
  readonly bytes: number;
  readonly mtimeMs: number;
}

/**
 * The index of what is in a store's folder. The files decide: those that the cache has in their size and time are taken
 * from there, others are read, and what the cache has without a file is dropped. A file that is no instance is logged
 * and left alone.
 *
 * @throws what the file system says
 */
export async function loadIndex(folder: string, cache: IndexCache, log: Logger): Promise<InstanceIndex> {
  const startedAt = performance.now();
  const index = new InstanceIndex();
  const found = await filesIn(folder);
  let stale = 0;
  for await (const cached of cache.read()) {
    const file = found.get(cached.file);
    if (file?.bytes === cached.bytes && file.mtimeMs === cached.mtimeMs && index.add(cached) !== null)
      found.delete(cached.file);
    else stale += 1;
  }
  if (stale > index.size) await cache.discard();
  cache.open();
  const [cachedOnes, unknown] = [index.size, found.size];
  await inParallel(found, async ([file, { bytes, mtimeMs }]) => {
    try {
      const facts = { ...(await readInstance(join(folder, file))), file, bytes };
      if (index.add(facts) !== null) cache.add({ ...facts, mtimeMs });
      else log.warn({}, 'a file holds an instance that another holds already; it is passed over');
    } catch (error) {
      if (!(error instanceof DataSetHeadError)) throw error;
      log.warn({ reason: describeError(error) }, 'a file in the store is no instance; it is passed over');
    }
  });
  const ms = Math.round(performance.now() - startedAt);
  log.info({ images: index.size, cached: cachedOnes, read: unknown, ms }, 'the store is loaded');
  return index;
}

/** Where instances are: STUDY/SERIES/INSTANCE.dcm. Everything else in the folder is none of ours. */
async function filesIn(folder: string): Promise<Map<string, FoundFile>> {
  const found = new Map<string, FoundFile>();
  for (const study of await uidFolders(folder))
    for (const series of await uidFolders(join(folder, study))) {
      const names = await readdir(join(folder, study, series));
      await inParallel(
        names.filter((name) => name.endsWith('.dcm')),
        async (name) => {
          const file = join(study, series, name);
          const { size: bytes, mtimeMs } = await stat(join(folder, file));
          found.set(file, { bytes, mtimeMs: Math.trunc(mtimeMs) });
        },
      );
    }
  return found;
}

async function uidFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
}

async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { longLivedScope } from './long-lived.js';

/** A folder of a test's own. `remove()` may be called more than once. */
export interface TempDir {
  readonly path: string;
  remove(): void;
}

interface Entry {
  readonly path: string;
  readonly longLived: boolean;
}

const entries = new Set<Entry>();
let root: string | undefined;
let count = 0;

/** `PIXL_TEST_KEEP=1` keeps what the tests wrote, to look at afterwards. */
const keep = process.env['PIXL_TEST_KEEP'] === '1';

function rootDir(): string {
  if (root === undefined || !existsSync(root)) {
    const made = mkdtempSync(join(tmpdir(), 't'));
    root = made;
    process.on('exit', () => {
      if (keep) process.stderr.write(`test files kept in ${made}\n`);
      // A peer that was killed a moment ago may still have been writing.
      else rmSync(made, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    });
  }
  return root;
}

/** Makes an empty folder. All of a process' folders are under one, which goes when the process ends. */
export function tempDir(name = 'dir'): TempDir {
  count += 1;
  const path = join(rootDir(), `${String(count).padStart(3, '0')}-${name}`);
  mkdirSync(path, { mode: 0o755 });
  const entry: Entry = { path, longLived: longLivedScope() !== undefined };
  entries.add(entry);
  return {
    path,
    remove: () => {
      entries.delete(entry);
      if (!keep) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Runs `work` in a folder that is gone afterwards, whether it fails or not. */
export async function withTempDir<T>(work: (path: string) => T | Promise<T>, name?: string): Promise<T> {
  const dir = tempDir(name);
  try {
    return await work(dir.path);
  } finally {
    dir.remove();
  }
}

/** The folders that were made and not removed, without those of long-lived peers. */
export function openTempDirs(): string[] {
  return [...entries].filter((entry) => !entry.longLived).map((entry) => entry.path);
}

/** Forgets a folder that was reported as left behind, and removes it. */
export function discardTempDir(path: string): void {
  for (const entry of entries) if (entry.path === path) entries.delete(entry);
  if (!keep) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
}

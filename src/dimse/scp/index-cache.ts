import { createWriteStream, type WriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../../core/errors.js';
import type { Logger } from '../../core/log.js';
import type { InstanceFacts } from './instance-index.js';

/** An instance in the cache, with what tells whether its file is still the one that was read. */
export interface CachedInstance extends InstanceFacts {
  /** Whole milliseconds: copies of files have no finer times. */
  readonly mtimeMs: number;
}

const NAME = '.index.jsonl';

/**
 * What was read of the files, a line each, so that a start need not read them again. A cache and no more: a line that
 * can't be read, or that the file's size and time contradict, is passed over, and nothing waits for it to be written.
 */
export class IndexCache {
  readonly #path: string;
  readonly #log: Logger;
  #stream: WriteStream | null = null;

  constructor(folder: string, log: Logger) {
    this.#path = join(folder, NAME);
    this.#log = log;
  }

  /** The instances in it, in the order in which they were stored. */
  async *read(): AsyncGenerator<CachedInstance, void, undefined> {
    let handle;
    try {
      handle = await open(this.#path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    try {
      for await (const line of handle.readLines()) {
        const instance = parseLine(line);
        if (instance !== null) yield instance;
      }
    } finally {
      await handle.close();
    }
  }

  /** Forgets all that it holds. */
  async discard(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  /** Appends to what it holds, from now on. */
  open(): void {
    this.#stream = createWriteStream(this.#path, { flags: 'a', mode: 0o600 });
    this.#stream.write('\n'); // behind what a process left torn
    this.#stream.on('error', (error) => {
      this.#log.warn(
        { reason: describeError(error) },
        'the index cache is not written any more; a start will read the files',
      );
      this.#stream = null;
    });
  }

  add(instance: CachedInstance): void {
    this.#stream?.write(lineOf(instance));
  }

  /** Resolves when what was added is written. */
  async close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    if (stream !== null) await new Promise<void>((resolve) => stream.once('close', resolve).end());
  }
}

function lineOf({ file, bytes, mtimeMs, transferSyntaxUid, attributes }: CachedInstance): string {
  return `${JSON.stringify([file, bytes, mtimeMs, transferSyntaxUid, Object.fromEntries(attributes)])}\n`;
}

function parseLine(line: string): CachedInstance | null {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return null; // the torn end of what a process wrote last
  }
  if (!Array.isArray(fields)) return null;
  const [file, bytes, mtimeMs, transferSyntaxUid, attributes] = fields as unknown[];
  if (typeof file !== 'string' || typeof bytes !== 'number' || typeof mtimeMs !== 'number') return null;
  if (typeof transferSyntaxUid !== 'string' || typeof attributes !== 'object' || attributes === null)
    return null;
  // Lines are written by lineOf alone, and read only with the file that they are about.
  const values = new Map(Object.entries(attributes as Record<string, string>));
  return { file, bytes, mtimeMs, transferSyntaxUid, attributes: values };
}

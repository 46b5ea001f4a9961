import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LINE_FEED = 10;
const BLOCK = 64 * 1024;

/**
 * Lines on disk, in the folder for temporary files. The file has no name any more as soon as it is open, so that
 * nothing of a cohort stays behind, however the process ends.
 */
export class SpillFile {
  readonly #fd: number;
  readonly #pending: string[] = [];
  #pendingLength = 0;
  #size = 0;
  #closed = false;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'pixl-cohort-'));
    try {
      this.#fd = openSync(join(folder, 'lines'), 'wx+', 0o600);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** A line without its line feed; it must hold none. */
  write(line: string): void {
    this.#pending.push(line);
    this.#pendingLength += line.length;
    if (this.#pendingLength >= BLOCK) this.#flush();
  }

  /** All lines, in the order of writing. */
  *lines(): Generator<string, void, undefined> {
    this.#flush();
    let held = Buffer.alloc(0);
    for (let position = 0; position < this.#size;) {
      const block = Buffer.allocUnsafe(BLOCK);
      const length = readSync(this.#fd, block, 0, BLOCK, position);
      if (length === 0) break;
      position += length;
      const bytes = Buffer.concat([held, block.subarray(0, length)]);
      let start = 0;
      for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
        yield bytes.toString('utf8', start, end);
        start = end + 1;
      }
      held = bytes.subarray(start);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const bytes = Buffer.from(`${this.#pending.join('\n')}\n`);
    this.#pending.length = 0;
    this.#pendingLength = 0;
    for (let written = 0; written < bytes.length;)
      written += writeSync(this.#fd, bytes, written, bytes.length - written, this.#size + written);
    this.#size += bytes.length;
  }
}

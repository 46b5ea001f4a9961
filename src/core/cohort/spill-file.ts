import { createHash } from 'node:crypto';
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
    let held = Buffer.alloc(0);
    for (const block of this.#blocks()) {
      const bytes = held.length === 0 ? block : Buffer.concat([held, block]);
      const end = bytes.lastIndexOf(LINE_FEED) + 1;
      held = bytes.subarray(end);
      // Many lines are made into a text at once; one by one they cost three times as much.
      if (end > 0) yield* linesIn(bytes.toString('utf8', 0, end));
    }
  }

  /** SHA-256 over all lines. */
  digest(): string {
    const hash = createHash('sha256');
    for (const block of this.#blocks()) hash.update(block);
    return hash.digest('hex');
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  /** Each in a buffer of its own. */
  *#blocks(): Generator<Buffer<ArrayBuffer>, void, undefined> {
    this.#flush();
    for (let position = 0; position < this.#size;) {
      const block = Buffer.allocUnsafe(BLOCK);
      const length = readSync(this.#fd, block, 0, BLOCK, position);
      if (length === 0) return;
      position += length;
      yield block.subarray(0, length);
    }
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

/** Each line ends with a line feed. */
function* linesIn(text: string): Generator<string, void, undefined> {
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
    yield text.slice(start, end);
    start = end + 1;
  }
}

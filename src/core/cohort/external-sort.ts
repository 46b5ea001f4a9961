import { SpillFile } from './spill-file.js';

/** What is sorted in memory at once, in characters. A million rows make twenty runs, each with a block in memory. */
const RUN_LENGTH = 8 * 1024 * 1024;

/** Sorts any number of lines in bounded memory: runs that were sorted in memory are merged from disk. */
export class ExternalSort {
  readonly #runLength: number;
  readonly #runs: SpillFile[] = [];
  #lines: string[] = [];
  #length = 0;

  constructor(runLength = RUN_LENGTH) {
    this.#runLength = runLength;
  }

  /** A line without its line feed; it must hold none. */
  add(line: string): void {
    this.#lines.push(line);
    this.#length += line.length;
    if (this.#length >= this.#runLength) this.#spill();
  }

  /** The lines in the order of their UTF-16 code units. May be asked for once, after the last `add`. */
  *sorted(): Generator<string, void, undefined> {
    if (this.#runs.length === 0) {
      yield* this.#lines.sort();
      return;
    }
    this.#spill();
    yield* merged(this.#runs.map((run) => run.lines()));
  }

  close(): void {
    this.#lines = [];
    for (const run of this.#runs) run.close();
  }

  #spill(): void {
    if (this.#lines.length === 0) return;
    const run = new SpillFile();
    this.#runs.push(run);
    for (const line of this.#lines.sort()) run.write(line);
    this.#lines = [];
    this.#length = 0;
  }
}

interface Head {
  line: string;
  readonly rest: Iterator<string, void, undefined>;
}

/** A heap of the runs' heads, the least at its top. */
function* merged(runs: readonly Iterator<string, void, undefined>[]): Generator<string, void, undefined> {
  const heap: Head[] = [];
  for (const rest of runs) {
    const first = rest.next();
    if (first.done !== true) heap.push({ line: first.value, rest });
  }
  heap.sort((a, b) => (a.line < b.line ? -1 : 1));
  for (let [top] = heap; top !== undefined; [top] = heap) {
    yield top.line;
    const next = top.rest.next();
    if (next.done !== true) top.line = next.value;
    else {
      const last = heap.pop();
      if (last === undefined || heap.length === 0) return;
      heap[0] = last;
    }
    sink(heap);
  }
}

/** Puts the top where it belongs. */
function sink(heap: Head[]): void {
  const [moving] = heap;
  if (moving === undefined) return;
  const { line } = moving;
  let at = 0;
  for (;;) {
    let child = heap[2 * at + 1];
    if (child === undefined) break;
    let next = 2 * at + 1;
    const right = heap[next + 1];
    if (right !== undefined && right.line < child.line) {
      child = right;
      next += 1;
    }
    if (line <= child.line) break;
    heap[at] = child;
    at = next;
  }
  heap[at] = moving;
}

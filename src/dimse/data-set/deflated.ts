import { createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';
import { DataSetDeflateError } from '../errors.js';

/** zlib is fed by slices of this size: a slice can't inflate to more than about a thousand times as much. */
const SLICE_LENGTH = 16_384;

/** What this much or less inflates to is taken however little it was: empty masks and blank frames shrink a thousandfold. */
const MAX_FREE_LENGTH = 32 * 1024 * 1024;
/** Beyond that; deflate itself ends at 1,032 (RFC 1951), and images in use stay far below. */
const MAX_RATIO = 500;
/** The longest element that PS3.5 7.1 can have: a native data set that is longer has no use for it. */
const MAX_INFLATED_LENGTH = 0xffffffff;

/**
 * Inflates a deflated data set (PS3.5 A.5, RFC 1951) as it is asked for. What comes behind the deflated stream, a
 * NULL for even length, is dropped.
 *
 * @param behind `nothing behind`: more than that NULL is damage
 * @throws DataSetDeflateError when the bytes are damaged or break off, or inflate to more than data sets do: beyond 32 MiB
 *   500 times as much, or 4 GiB
 */
export async function* inflated(
  dataSet: AsyncIterable<Buffer>,
  behind: 'anything behind' | 'nothing behind' = 'anything behind',
): AsyncGenerator<Buffer, void, undefined> {
  const zlib = createInflateRaw();
  const read = { bytes: 0 };
  let given = 0;
  for await (const part of through(zlib, counted(dataSet, read))) {
    given += part.length;
    if (given > MAX_INFLATED_LENGTH) throw new DataSetDeflateError('it inflates to more than 4 GiB');
    if (given > MAX_FREE_LENGTH && given > read.bytes * MAX_RATIO)
      throw new DataSetDeflateError(`it inflates to more than ${MAX_RATIO} times its size`);
    yield part;
  }
  if (behind === 'nothing behind' && read.bytes > zlib.bytesWritten + 1)
    throw new DataSetDeflateError('there is more behind its end');
}

async function* counted(
  dataSet: AsyncIterable<Buffer>,
  read: { bytes: number },
): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of dataSet) {
    read.bytes += piece.length;
    yield piece;
  }
}

/** Deflates a data set as it is asked for, with a NULL for even length at its end if need be (PS3.5 A.5). */
export async function* deflated(dataSet: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let isOdd = false;
  for await (const piece of through(createDeflateRaw(), dataSet)) {
    if (piece.length % 2 === 1) isOdd = !isOdd;
    yield piece;
  }
  if (isOdd) yield Buffer.alloc(1);
}

/**
 * One slice at a time: nothing is read while there is output that nobody has taken, and when the consumer stops,
 * no read is under way that would have to be waited for.
 */
async function* through(
  zlib: InflateRaw | DeflateRaw,
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const steps = new ZlibSteps(zlib);
  try {
    for await (const piece of source)
      for (let at = 0; at < piece.length; at += SLICE_LENGTH)
        for (const part of await steps.write(piece.subarray(at, at + SLICE_LENGTH))) yield part;
    for (const part of await steps.end()) yield part;
  } finally {
    zlib.destroy();
  }
}

/** A zlib stream, driven step by step. */
class ZlibSteps {
  readonly #zlib: InflateRaw | DeflateRaw;
  #output: Buffer[] = [];
  #over = false;
  #failure: Error | null = null;
  #wake: () => void = () => undefined;

  constructor(zlib: InflateRaw | DeflateRaw) {
    this.#zlib = zlib;
    zlib.on('data', (part: Buffer) => this.#output.push(part));
    zlib.on('end', () => {
      this.#over = true;
      this.#wake();
    });
    zlib.on('error', (error) => {
      this.#failure = error;
      this.#wake();
    });
  }

  /** Takes a slice in and gives what came out; input behind the end of the deflated stream is dropped. */
  write(slice: Buffer): Promise<Buffer[]> {
    // A stream that ends within the slice says `end` and never calls back.
    return this.#run(() => this.#zlib.write(slice, () => this.#wake()));
  }

  /** Gives the rest. */
  end(): Promise<Buffer[]> {
    return this.#run(() => this.#zlib.end());
  }

  async #run(start: () => void): Promise<Buffer[]> {
    if (!this.#over)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        start();
      });
    if (this.#failure !== null) {
      const code = (this.#failure as NodeJS.ErrnoException).code ?? this.#failure.name;
      throw new DataSetDeflateError(`zlib says ${code}`, this.#failure);
    }
    const output = this.#output;
    this.#output = [];
    return output;
  }
}

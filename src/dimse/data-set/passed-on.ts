import { DataSetDeflateError, DataSetHeadError } from '../errors.js';
import { deflated, inflated } from './deflated.js';
import type { Walk } from './element-walker.js';
import { encodingOf, isDeflated } from './encoding.js';
import { HeldBytes } from './held-bytes.js';
import { checkFirst, checkPixelData } from './label-check.js';
import { addProject } from './project-tag.js';

/**
 * Passes a data set on, in the pieces in which it comes, when its head can be read in the transfer syntax that it is said to be in; with the
 * project's name put in where there is one. All other bytes stay as they are and are not copied, but for pieces of under 2 KiB
 * of the head. A deflated data set (PS3.5 A.5) is inflated and deflated again for the name's sake, and for none else.
 *
 * Nothing is given out before the pixel data has been reached and everything before it read, unless that takes more than
 * 8 MiB: then what has been read goes out. Stopping early ends `dataSet` too.
 *
 * @param dataSet as DIMSE carries it: no preamble, no File Meta Information
 * @param transferSyntax any but Implicit VR Little Endian, Explicit VR Big Endian and the deflated ones is read as
 *   Explicit VR Little Endian (PS3.5 A.4)
 * @param projectName null leaves the data set as it is
 * @throws DataSetHeadError when the head can't be read, or the pixel data is not as the transfer syntax has it
 * @throws DataSetDeflateError when the rest of a deflated data set is damaged
 */
export async function* passedOn(
  dataSet: AsyncIterable<Buffer>,
  transferSyntax: string,
  projectName: string | null,
): AsyncGenerator<Buffer, void, undefined> {
  const walkOf = (held: HeldBytes): Walk<void> => headWalk(held, transferSyntax, projectName);
  if (!isDeflated(transferSyntax)) yield* behindHead(dataSet, walkOf);
  else if (projectName === null) yield* behindDeflatedHead(dataSet, walkOf);
  else yield* deflated(behindHead(inflated(dataSet), walkOf));
}

function* headWalk(held: HeldBytes, transferSyntax: string, projectName: string | null): Walk<void> {
  const encoding = encodingOf(transferSyntax);
  yield* checkFirst(held, encoding);
  const at: number = projectName === null ? 0 : yield* addProject(held, encoding, projectName);
  yield* checkPixelData(held, at, encoding, transferSyntax);
}

async function* behindHead(
  dataSet: AsyncIterable<Buffer>,
  walkOf: (held: HeldBytes) => Walk<void>,
): AsyncGenerator<Buffer, void, undefined> {
  let head: Head | null = new Head(walkOf);
  try {
    for await (const piece of dataSet) {
      if (head === null) {
        yield piece;
        continue;
      }
      for (const part of head.push(piece)) yield part;
      if (head.isDone) head = null;
    }
  } catch (error) {
    throw head === null ? error : ofHead(error);
  }
  if (head !== null) for (const part of head.end()) yield part;
}

/** The bytes as they came: what they inflate to is looked at as far as the head goes, and dropped. */
async function* behindDeflatedHead(
  dataSet: AsyncIterable<Buffer>,
  walkOf: (held: HeldBytes) => Walk<void>,
): AsyncGenerator<Buffer, void, undefined> {
  const pieces: AsyncIterator<Buffer> = dataSet[Symbol.asyncIterator]();
  const taken: Buffer[] = [];
  try {
    const head = new Head(walkOf);
    for await (const part of inflated(takenFrom(pieces, taken))) {
      head.push(part);
      if (head.isDone) break;
    }
    if (!head.isDone) head.end();
    yield* taken.splice(0);
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
  } catch (error) {
    throw ofHead(error);
  } finally {
    await pieces.return?.();
  }
}

/** Another iterator over the same pieces, whose end is not theirs. */
async function* takenFrom(
  pieces: AsyncIterator<Buffer>,
  taken: Buffer[],
): AsyncGenerator<Buffer, void, undefined> {
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
    taken.push(next.value);
    yield next.value;
  }
}

function ofHead(error: unknown): unknown {
  return error instanceof DataSetDeflateError ? new DataSetHeadError(error.problem, error) : error;
}

/** The data set as far as it is walked, and as far as it has come. */
class Head {
  #out: Buffer[] = [];
  #isDone = false;
  readonly #held = new HeldBytes((bytes) => this.#out.push(bytes));
  readonly #walk: Walk<void>;

  constructor(walkOf: (held: HeldBytes) => Walk<void>) {
    this.#walk = walkOf(this.#held);
  }

  /** The walk is over, and all that has come is given out. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** What can be given out: mostly nothing until the walk is over, then all that has come, with what was put in. */
  push(piece: Buffer): Buffer[] {
    this.#held.push(piece);
    return this.#step();
  }

  /** The same at the end of the data set. */
  end(): Buffer[] {
    this.#held.end();
    const parts = this.#step();
    if (!this.#isDone) throw new DataSetHeadError('it ends inside an element');
    return parts;
  }

  #step(): Buffer[] {
    const step = this.#walk.next();
    if (step.done === true) {
      this.#isDone = true;
      this.#out.push(...this.#held.rest());
    }
    const parts = this.#out;
    this.#out = [];
    return parts;
  }
}

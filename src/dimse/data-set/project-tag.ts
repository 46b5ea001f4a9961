import { DataSetDeflateError, DataSetHeadError } from '../errors.js';
import { encodeText } from './character-set.js';
import { deflated, inflated } from './deflated.js';
import { endOfElement, nextElement, valueOf, type ElementHeader, type Walk } from './element-walker.js';
import { encodeElement, encodingOf, isDeflated, type Encoding } from './encoding.js';
import { HeldBytes } from './held-bytes.js';

const PRIVATE_CREATOR = Buffer.from('UCLH PIXL', 'latin1');
const GROUP = 0x000d0000;
/** Private creators may reserve the blocks 10 to FF (PS3.5 7.8.1). */
const FIRST_BLOCK = 0x10;
const LAST_BLOCK = 0xff;
const SPECIFIC_CHARACTER_SET = 0x00080005;
/** The first of several character sets is needed, which has 16 characters at most. */
const CHARACTER_SET_LENGTH = 64;
const NOTHING = Buffer.alloc(0);

/**
 * Passes a data set on, in the pieces in which it comes, with the project's name in the private element (000D,1001),
 * private creator (000D,0010) `UCLH PIXL` (PS3.5 7.8.1), put in at its place. Where another creator has block 10,
 * it goes to the block that `UCLH PIXL` has, or to the lowest free one; what the element held before is replaced,
 * and a group length (000D,0000), which would be wrong then, is dropped. All other bytes stay as they are and are
 * not copied, but for pieces of under 2 KiB that come before the element. A deflated data set (PS3.5 A.5) is
 * inflated and deflated again.
 *
 * Nothing is given out before the place of the element is found, and everything before it read, unless that takes more than
 * 8 MiB: then what has been read goes out. Stopping early ends `dataSet` too.
 *
 * @param dataSet as DIMSE carries it: no preamble, no File Meta Information
 * @param transferSyntax any but Implicit VR Little Endian, Explicit VR Big Endian and the deflated ones is read as
 *   Explicit VR Little Endian (PS3.5 A.4)
 * @param projectName is written in the data set's own character set; what that lacks becomes `?`
 * @throws DataSetHeadError when the elements up to there can't be read
 * @throws DataSetDeflateError when the rest of a deflated data set is damaged
 */
export async function* withProjectTag(
  dataSet: AsyncIterable<Buffer>,
  transferSyntax: string,
  projectName: string,
): AsyncGenerator<Buffer, void, undefined> {
  const encoding = encodingOf(transferSyntax);
  if (isDeflated(transferSyntax)) yield* deflated(tagged(inflated(dataSet), encoding, projectName));
  else yield* tagged(dataSet, encoding, projectName);
}

async function* tagged(
  dataSet: AsyncIterable<Buffer>,
  encoding: Encoding,
  projectName: string,
): AsyncGenerator<Buffer, void, undefined> {
  let head: Head | null = new Head(encoding, projectName);
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
    if (head !== null && error instanceof DataSetDeflateError)
      throw new DataSetHeadError(error.problem, error);
    throw error;
  }
  if (head !== null) for (const part of head.end()) yield part;
}

/** The data set up to the place of the project's element, as far as it has come. */
class Head {
  #out: Buffer[] = [];
  #isDone = false;
  readonly #held = new HeldBytes((bytes) => this.#out.push(bytes));
  readonly #walk: Walk<void>;

  constructor(encoding: Encoding, projectName: string) {
    this.#walk = editWalk(this.#held, encoding, projectName);
  }

  /** The place is found, and all that has come is given out. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** What can be given out: mostly nothing until the place is found, then all that has come, with the element. */
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

/** A private creator's element (PS3.5 7.8.1). */
interface Creator {
  readonly block: number;
  readonly at: number;
  readonly isOurs: boolean;
}

/** Reads as far as the place of the project's element, and has what is held changed. */
function* editWalk(held: HeldBytes, encoding: Encoding, projectName: string): Walk<void> {
  const creators: Creator[] = [];
  let characterSet = '';
  let at = 0;
  let header = yield* nextElement(held, at, encoding);
  // As far as the last private creator that the group may have.
  while (header !== null && header.tag <= GROUP + LAST_BLOCK) {
    if (header.tag === SPECIFIC_CHARACTER_SET)
      characterSet = (yield* valueOf(held, header, CHARACTER_SET_LENGTH)).toString('latin1');
    // Nothing is changed before the group, so that it need not wait for what comes in it.
    const end: number = yield* endOfElement(held, header, encoding, header.tag < GROUP ? 'spilled' : 'kept');
    if (header.tag === GROUP) held.edit({ at, removed: end - at, inserted: NOTHING });
    else if (header.tag >= GROUP + FIRST_BLOCK)
      creators.push({ block: header.tag - GROUP, at, isOurs: yield* isOurs(held, header) });
    at = end;
    header = yield* nextElement(held, at, encoding);
  }
  const ours = creators.find((creator) => creator.isOurs);
  const block = ours?.block ?? lowestFreeBlock(creators);
  if (ours === undefined) {
    const place = creators.find((creator) => creator.block > block)?.at ?? at;
    held.edit({ at: place, removed: 0, inserted: creatorElement(block, encoding) });
  }
  // As far as the first element above ours.
  const tag = GROUP + block * 0x100 + 1;
  while (header !== null && header.tag <= tag) {
    const isReplaced = header.tag === tag;
    const end: number = yield* endOfElement(held, header, encoding, isReplaced ? 'kept' : 'spilled');
    if (isReplaced) held.edit({ at, removed: end - at, inserted: NOTHING });
    at = end;
    header = yield* nextElement(held, at, encoding);
  }
  const value = encodeText('project_name', projectName, characterSet);
  held.edit({ at, removed: 0, inserted: encodeElement(tag, 'LO', value, encoding) });
}

function* isOurs(held: HeldBytes, header: ElementHeader): Walk<boolean> {
  const value = yield* valueOf(held, header, header.length);
  return (
    value.subarray(0, PRIVATE_CREATOR.length).equals(PRIVATE_CREATOR) &&
    value.subarray(PRIVATE_CREATOR.length).every((byte) => byte === 0x20 || byte === 0)
  );
}

function lowestFreeBlock(creators: readonly Creator[]): number {
  const taken = new Set(creators.map(({ block }) => block));
  for (let block = FIRST_BLOCK; block <= LAST_BLOCK; block += 1) if (!taken.has(block)) return block;
  throw new DataSetHeadError('no free block of private elements in group 000D');
}

function creatorElement(block: number, encoding: Encoding): Buffer {
  const value = encodeText('private creator', PRIVATE_CREATOR.toString('latin1'), '');
  return encodeElement(GROUP + block, 'LO', value, encoding);
}

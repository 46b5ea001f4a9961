import { DataSetDeflateError, DataSetHeadError } from '../errors.js';
import { encodeText } from './character-set.js';
import { deflated, inflated } from './deflated.js';
import { endOfElement, nextElement, valueOf, type ElementHeader, type Walk } from './element-walker.js';
import { encodeElement, encodingOf, isDeflated, type Encoding } from './encoding.js';
import { HeldBytes, type Edit } from './held-bytes.js';

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
 * Nothing is given out before the place of the element is found, and everything before it read. Stopping early ends
 * `dataSet` too.
 *
 * @param dataSet as DIMSE carries it: no preamble, no File Meta Information
 * @param transferSyntax any but Implicit VR Little Endian, Explicit VR Big Endian and the deflated ones is read as
 *   Explicit VR Little Endian (PS3.5 A.4)
 * @param projectName is written in the data set's own character set; what that lacks becomes `?`
 * @throws DataSetHeadError when the elements up to there can't be read or held; nothing has been given out then
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
      const parts = head.push(piece);
      if (parts === null) continue;
      head = null;
      for (const part of parts) yield part;
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
  readonly #held = new HeldBytes();
  readonly #walk: Walk<Edit[]>;

  constructor(encoding: Encoding, projectName: string) {
    this.#walk = projectEdits(this.#held, encoding, projectName);
  }

  /** What can be given out: null until the place is found, then all that has come, with the element. */
  push(piece: Buffer): Buffer[] | null {
    this.#held.push(piece);
    const step = this.#walk.next();
    return step.done === true ? this.#held.withEdits(step.value) : null;
  }

  /** The same at the end of the data set. */
  end(): Buffer[] {
    this.#held.end();
    const step = this.#walk.next();
    if (step.done !== true) throw new DataSetHeadError('it ends inside an element');
    return this.#held.withEdits(step.value);
  }
}

/** A private creator's element (PS3.5 7.8.1). */
interface Creator {
  readonly block: number;
  readonly at: number;
  readonly isOurs: boolean;
}

/** Reads as far as the place of the project's element and gives the changes to be made. */
function* projectEdits(held: HeldBytes, encoding: Encoding, projectName: string): Walk<Edit[]> {
  const edits: Edit[] = [];
  const creators: Creator[] = [];
  let characterSet = '';
  let at = 0;
  let header = yield* nextElement(held, at, encoding);
  // As far as the last private creator that the group may have.
  while (header !== null && header.tag <= GROUP + LAST_BLOCK) {
    const end: number = yield* endOfElement(held, header, encoding);
    if (header.tag === SPECIFIC_CHARACTER_SET)
      characterSet = (yield* valueOf(held, header, CHARACTER_SET_LENGTH)).toString('latin1');
    else if (header.tag === GROUP) edits.push({ at, removed: end - at, inserted: NOTHING });
    else if (header.tag >= GROUP + FIRST_BLOCK)
      creators.push({ block: header.tag - GROUP, at, isOurs: yield* isOurs(held, header) });
    at = end;
    header = yield* nextElement(held, at, encoding);
  }
  const ours = creators.find((creator) => creator.isOurs);
  const block = ours?.block ?? lowestFreeBlock(creators);
  if (ours === undefined) {
    const place = creators.find((creator) => creator.block > block)?.at ?? at;
    edits.push({ at: place, removed: 0, inserted: creatorElement(block, encoding) });
  }
  // As far as the first element above ours.
  const tag = GROUP + block * 0x100 + 1;
  while (header !== null && header.tag <= tag) {
    const end: number = yield* endOfElement(held, header, encoding);
    if (header.tag === tag) edits.push({ at, removed: end - at, inserted: NOTHING });
    at = end;
    header = yield* nextElement(held, at, encoding);
  }
  const value = encodeText('project_name', projectName, characterSet);
  edits.push({ at, removed: 0, inserted: encodeElement(tag, 'LO', value, encoding) });
  return edits;
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

import { DataSetHeadError } from '../errors.js';
import { encodeText } from './character-set.js';
import {
  endOfElement,
  nextElement,
  passOver,
  valueOf,
  type ElementHeader,
  type Walk,
} from './element-walker.js';
import { encodeElement, type Encoding } from './encoding.js';
import type { HeldBytes } from './held-bytes.js';

const PRIVATE_CREATOR = Buffer.from('UCLH PIXL', 'latin1');
const GROUP = 0x000d0000;
/** Private creators may reserve the blocks 10 to FF (PS3.5 7.8.1). */
const FIRST_BLOCK = 0x10;
const LAST_BLOCK = 0xff;
const SPECIFIC_CHARACTER_SET = 0x00080005;
/** The first of several character sets is needed, which has 16 characters at most. */
const CHARACTER_SET_LENGTH = 64;
const NOTHING = Buffer.alloc(0);

/** A private creator's element (PS3.5 7.8.1). */
interface Creator {
  readonly block: number;
  readonly at: number;
  readonly isOurs: boolean;
}

/**
 * Puts the project's name in at its place, in the private element (000D,1001), private creator (000D,0010) `UCLH PIXL`
 * (PS3.5 7.8.1). Where another creator has block 10, it goes to the block that `UCLH PIXL` has, or to the lowest free one; what
 * the element held before is replaced, and a group length (000D,0000), which would be wrong then, is dropped.
 *
 * @param projectName is written in the data set's own character set; of what that lacks the accents go, else it becomes `?`
 * @returns how far it has been read: behind the place
 * @throws DataSetHeadError (while walking) when the elements up to there can't be read
 */
export function* addProject(held: HeldBytes, encoding: Encoding, projectName: string): Walk<number> {
  const creators: Creator[] = [];
  let characterSet = '';
  const lower = { before: GROUP, stop: SPECIFIC_CHARACTER_SET };
  let at = passOver(held, 0, encoding, lower);
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
    at = header.tag < GROUP ? passOver(held, end, encoding, lower) : end;
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
  const value = encodeText('project_name', projectName, characterSet, 'without-accents');
  held.edit({ at, removed: 0, inserted: encodeElement(tag, 'LO', value, encoding) });
  return at;
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

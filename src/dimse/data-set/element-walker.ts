import { DataSetHeadError } from '../errors.js';
import { IMPLICIT_LE, readUInt16, readUInt32, SHORT_FORM_VRS, type Encoding } from './encoding.js';
import type { HeldBytes } from './held-bytes.js';

/**
 * How much of a data set is held back. Group 0008 is a few hundred bytes, but in enhanced multi-frame objects its
 * reference sequences, and in others private groups 0009 and 000B, run to megabytes.
 */
export const MAX_HEAD_LENGTH = 8 * 1024 * 1024;

/** The standard sets no limit; real data sets stay below ten (structured reports). */
export const MAX_SEQUENCE_DEPTH = 64;

export const UNDEFINED_LENGTH = 0xffffffff;
export const ITEM = 0xfffee000;
export const ITEM_DELIMITATION = 0xfffee00d;
export const SEQUENCE_DELIMITATION = 0xfffee0dd;

/**
 * A walk over held bytes. Each `yield` asks for more of them, or for the word that there are no more; it goes on
 * where it was, so that it is the same walk however the bytes are cut.
 */
export type Walk<Result> = Generator<undefined, Result, undefined>;

/** A data element as far as its value (PS3.5 7.1). */
export interface ElementHeader {
  /** Group and element in one number: 0x000d0010 is (000D,0010). */
  readonly tag: number;
  /** The two letters as one number; 0 in implicit VR and for items and delimiters. */
  readonly vr: number;
  readonly valueAt: number;
  /** {@link UNDEFINED_LENGTH} for one that a delimiter ends. */
  readonly length: number;
}

const vrCode = (vr: string): number => (vr.charCodeAt(0) << 8) | vr.charCodeAt(1);

const SHORT_FORM: ReadonlySet<number> = new Set([...SHORT_FORM_VRS].map(vrCode));
const SQ = vrCode('SQ');
const UN = vrCode('UN');
/** Other VRs whose length may be undefined (PS3.5 7.1.2): their values are in fragments then (A.4). */
const FRAGMENTED: ReadonlySet<number> = new Set('OB OD OF OL OV OW'.split(' ').map(vrCode));

/**
 * The header of the top-level element that begins at `at`, or null when the data set ends there (PS3.5 7.1).
 *
 * @throws DataSetHeadError (while walking) when what is there can't be an element of a data set
 */
export function* nextElement(held: HeldBytes, at: number, encoding: Encoding): Walk<ElementHeader | null> {
  while (held.length <= at && !held.ended) yield;
  if (held.length === at) return null;
  const bytes = yield* bytesAt(held, at, 8);
  const header = yield* headerAt(
    held,
    at,
    isForeign(readUInt16(bytes, 0, encoding)) ? asFound(bytes, encoding) : encoding,
  );
  // FFFE is for what is inside of sequences (PS3.5 7.5), and zeros are no group length.
  if (header.tag >>> 16 === 0xfffe || (header.tag === 0 && header.length !== 4))
    throw new DataSetHeadError('a group that is not for data sets');
  return header;
}

/**
 * Groups 0000, for commands (PS3.7 6.3), and 0002, for files (PS3.10 7.1), have no place in a data set. There are systems that
 * leave some of their elements in it all the same, so they are walked over like others.
 */
export function isForeign(group: number): boolean {
  return group === 0 || group === 2;
}

/** Commands are in implicit VR, files in explicit VR, whatever the data set is in. */
function asFound(bytes: Buffer, { bigEndian }: Encoding): Encoding {
  return { explicit: isLetter(bytes.readUInt8(4)) && isLetter(bytes.readUInt8(5)), bigEndian };
}

/**
 * Walks over top-level elements of which nothing is wanted, as far as their headers lie in one piece: the short way, for most heads are a hundred
 * such. Their bytes may be given up, as with `spilled`. Ends before an element whose tag is `stop`, or at least `before`, and before
 * whatever else the long way has to judge.
 */
export function passOver(
  held: HeldBytes,
  from: number,
  encoding: Encoding,
  { before, stop }: { readonly before: number; readonly stop?: number },
): number {
  const bytes = held.pieceFrom(from);
  let at = 0;
  while (at + 12 <= bytes.length) {
    const group = readUInt16(bytes, at, encoding);
    const tag = group * 0x10000 + readUInt16(bytes, at + 2, encoding);
    if (tag >= before || tag === stop || group === 0xfffe || isForeign(group)) break;
    const vr = (bytes.readUInt8(at + 4) << 8) | bytes.readUInt8(at + 5);
    const isShort = encoding.explicit && SHORT_FORM.has(vr);
    if (encoding.explicit && !isShort && !(isLetter(vr >>> 8) && isLetter(vr & 0xff))) break;
    const isLong = encoding.explicit && !isShort;
    const length = isShort
      ? readUInt16(bytes, at + 6, encoding)
      : readUInt32(bytes, at + (isLong ? 8 : 4), encoding);
    if (length === UNDEFINED_LENGTH) break;
    at += (isLong ? 12 : 8) + length;
  }
  if (at > 0) held.spill(from + at);
  return from + at;
}

/** What becomes of the bytes of an element that has been walked over. */
export type Passed =
  | 'kept'
  | 'released'
  /** Kept while there is room for them, and then released with all that comes before. */
  | 'spilled';

/**
 * Where the element ends: by its length, or for an undefined length behind its delimiter (PS3.5 7.5). The bytes of
 * its value may not all have come yet.
 *
 * @param passed `released` and `spilled`: the element may be of any length
 * @throws DataSetHeadError (while walking) when it is malformed, or when more than {@link MAX_HEAD_LENGTH} bytes would
 *   have to be held
 */
export function* endOfElement(
  held: HeldBytes,
  header: ElementHeader,
  encoding: Encoding,
  passed: Passed = 'kept',
): Walk<number> {
  if (header.length !== UNDEFINED_LENGTH) return pass(held, header.valueAt + header.length, passed);
  const levels: Level[] = [levelOf(header, encoding)];
  let at = header.valueAt;
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const inner = yield* headerAt(held, at, level.encoding);
    at = pass(held, inner.valueAt, passed);
    if (inner.tag === (level.kind === 'elements' ? ITEM_DELIMITATION : SEQUENCE_DELIMITATION)) {
      if (inner.length !== 0) throw new DataSetHeadError('a delimiter that has a length');
      levels.pop();
      continue;
    }
    checkPlace(inner, level);
    if (inner.length !== UNDEFINED_LENGTH) at = pass(held, at + inner.length, passed);
    else if (level.kind === 'elements') levels.push(levelOf(inner, level.encoding));
    else levels.push({ kind: 'elements', encoding: level.encoding });
    if (levels.length > 2 * MAX_SEQUENCE_DEPTH)
      throw new DataSetHeadError(`sequences more than ${MAX_SEQUENCE_DEPTH} deep`);
  }
  return at;
}

/** The value of an element whose length is defined, once all of it is held; of longer ones the first `atMost` bytes. */
export function* valueOf(held: HeldBytes, header: ElementHeader, atMost: number): Walk<Buffer> {
  if (header.length === UNDEFINED_LENGTH) return Buffer.alloc(0);
  return yield* bytesAt(held, header.valueAt, Math.min(header.length, atMost));
}

/** Something of undefined length that has begun: what it is made of, and how that is encoded. */
interface Level {
  readonly kind: 'items' | 'fragments' | 'elements';
  readonly encoding: Encoding;
}

function levelOf(header: ElementHeader, encoding: Encoding): Level {
  if (!encoding.explicit || header.vr === SQ) return { kind: 'items', encoding };
  // PS3.5 6.2.2: a sequence whose VR was not known to who wrote it, always in Implicit VR Little Endian.
  if (header.vr === UN) return { kind: 'items', encoding: IMPLICIT_LE };
  if (FRAGMENTED.has(header.vr)) return { kind: 'fragments', encoding };
  throw new DataSetHeadError('an undefined length where the VR allows none');
}

/** PS3.5 7.5: sequences and fragments are made of items, items of elements; a fragment's length is defined (A.4). */
function checkPlace(inner: ElementHeader, level: Level): void {
  if (level.kind === 'elements' ? inner.tag >>> 16 === 0xfffe : inner.tag !== ITEM)
    throw new DataSetHeadError('items and delimiters in disorder');
  if (level.kind === 'fragments' && inner.length === UNDEFINED_LENGTH)
    throw new DataSetHeadError('a fragment of undefined length');
}

/** The header of whatever begins at `at`: an element, an item or a delimiter. @throws DataSetHeadError (while walking) */
export function* headerAt(held: HeldBytes, at: number, encoding: Encoding): Walk<ElementHeader> {
  const bytes = yield* bytesAt(held, at, 8);
  const tag = readUInt16(bytes, 0, encoding) * 0x10000 + readUInt16(bytes, 2, encoding);
  if (!encoding.explicit || tag >>> 16 === 0xfffe)
    return { tag, vr: 0, valueAt: at + 8, length: readUInt32(bytes, 4, encoding) };
  const vr = bytes.readUInt16BE(4);
  if (SHORT_FORM.has(vr)) return { tag, vr, valueAt: at + 8, length: readUInt16(bytes, 6, encoding) };
  if (!isLetter(vr >>> 8) || !isLetter(vr & 0xff)) throw new DataSetHeadError('a VR that is none');
  const length = readUInt32(yield* bytesAt(held, at + 8, 4), 0, encoding);
  return { tag, vr, valueAt: at + 12, length };
}

/** The two letters of a header's VR; empty where it has none, in implicit VR. */
export function vrText({ vr }: ElementHeader): string {
  return vr === 0 ? '' : String.fromCharCode(vr >>> 8, vr & 0xff);
}

/** Whether a value of undefined length in this VR is made of fragments (PS3.5 A.4). */
export function isFragmented({ vr }: ElementHeader): boolean {
  return FRAGMENTED.has(vr);
}

/** Where something ends that begins at `from`. @throws DataSetHeadError when that is behind the end of what it is in */
export function checkedEnd(from: number, length: number, outer: number | null): number {
  const end = from + length;
  if (outer !== null && end > outer)
    throw new DataSetHeadError('an element that is longer than what it is in');
  return end;
}

const isLetter = (code: number): boolean => code >= 0x41 && code <= 0x5a;

function* bytesAt(held: HeldBytes, at: number, length: number): Walk<Buffer> {
  const end = withinHead(held, at + length);
  while (held.length < end) {
    if (held.ended) throw new DataSetHeadError('it ends inside an element');
    yield;
  }
  return held.view(at, length);
}

function pass(held: HeldBytes, position: number, passed: Passed): number {
  if (passed === 'released') held.release(position);
  if (passed === 'spilled') held.spill(position);
  return withinHead(held, position);
}

function withinHead(held: HeldBytes, position: number): number {
  if (position - held.neededFrom > MAX_HEAD_LENGTH)
    throw new DataSetHeadError(`more than ${MAX_HEAD_LENGTH} bytes that have to be held`);
  return position;
}

import { DataSetHeadError } from '../errors.js';
import { decodeText } from './decode-text.js';
import {
  headerAt,
  ITEM,
  ITEM_DELIMITATION,
  MAX_SEQUENCE_DEPTH,
  SEQUENCE_DELIMITATION,
  UNDEFINED_LENGTH,
  valueOf,
  type ElementHeader,
  type Walk,
} from './element-walker.js';
import { IMPLICIT_LE, readUInt16, type Encoding } from './encoding.js';
import { HeldBytes } from './held-bytes.js';

/** What an element's text is: UIDs; numbers, dates and times; any other text; bytes that may hold text. */
export type TextKind = 'uid' | 'number' | 'text' | 'bytes';

/** An element that is no sequence, at whatever depth. */
export interface TextValue {
  /** Group and element in one number: 0x00100020 is (0010,0020). */
  readonly tag: number;
  /** 0 = an element of the data set itself. */
  readonly depth: number;
  readonly kind: TextKind;
  /** In Unicode, without padding; of bytes what of them can be printed. */
  readonly text: string;
}

const UID_VRS: ReadonlySet<string> = new Set(['UI']);
const NUMBER_VRS: ReadonlySet<string> = new Set(['AS', 'DA', 'DS', 'DT', 'IS', 'TM']);
const TEXT_VRS: ReadonlySet<string> = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT']);
/** Numbers in binary: no text is in them. */
const BINARY_NUMBER_VRS: ReadonlySet<string> = new Set('AT FD FL OD OF OL OV SL SS SV UL US UV'.split(' '));

const SPECIFIC_CHARACTER_SET = 0x00080005;

/** The encoding of a data set, and the character set that is in force where an element stands. */
export interface TextContext {
  readonly encoding: Encoding;
  /** The value of (0008,0005), empty where there is none. */
  characterSet: string;
}

/**
 * Every value that may be text in one top-level element, at every depth (PS3.5 7.5): sequences of defined and undefined
 * length, those written as UN (6.2.2), items with a character set of their own. Where implicit VR leaves the VR open, the
 * value itself says what it is like. A value that only looks like a sequence is taken as bytes as well.
 *
 * @param element with its header
 * @param context its character set is set by (0008,0005)
 * @throws DataSetHeadError when a sequence can't be read
 */
export function visitTexts(element: Buffer, context: TextContext, visit: (value: TextValue) => void): void {
  drive(element, (held) => new TextWalk(held, visit).element(0, element.length, context, 0));
}

function drive(bytes: Buffer, walk: (held: HeldBytes) => Walk<unknown>): void {
  const held = new HeldBytes();
  held.push(bytes);
  held.end();
  if (walk(held).next().done !== true) throw new DataSetHeadError('it ends inside an element');
}

class TextWalk {
  readonly #held: HeldBytes;
  readonly #visit: (value: TextValue) => void;

  constructor(held: HeldBytes, visit: (value: TextValue) => void) {
    this.#held = held;
    this.#visit = visit;
  }

  /** @returns where the element ends */
  *element(at: number, limit: number, context: TextContext, depth: number): Walk<number> {
    if (depth > MAX_SEQUENCE_DEPTH)
      throw new DataSetHeadError(`sequences more than ${MAX_SEQUENCE_DEPTH} deep`);
    const header = yield* headerAt(this.#held, at, context.encoding);
    const vr = vrText(header);
    if (header.length === UNDEFINED_LENGTH) {
      if (isFragmented(vr)) return yield* this.#fragments(header, limit, context, depth);
      return yield* this.#items(header.valueAt, null, limit, itemContext(vr, context), depth);
    }
    const end = header.valueAt + header.length;
    if (end > limit) throw new DataSetHeadError('an element that is longer than what it is in');
    if (vr === 'SQ') return yield* this.#items(header.valueAt, end, end, context, depth);
    const bytes = yield* valueOf(this.#held, header, header.length);
    if (header.tag === SPECIFIC_CHARACTER_SET) context.characterSet = bytes.toString('latin1');
    this.#value(header.tag, vr, bytes, context, depth);
    return end;
  }

  #value(tag: number, vr: string, bytes: Buffer, context: TextContext, depth: number): void {
    if (bytes.length === 0 || BINARY_NUMBER_VRS.has(vr)) return;
    if ((vr === '' || vr === 'UN') && beginsWithItem(bytes, context.encoding))
      this.#perhapsItems(bytes, itemContext(vr, context), depth);
    const kind = kindOf(vr, bytes);
    const text =
      kind === 'bytes'
        ? printable(bytes)
        : decodeText(bytes, TEXT_VRS.has(vr) ? vr : kind === 'text' ? 'LO' : 'CS', context.characterSet);
    if (text !== '') this.#visit({ tag, depth, kind: kind === 'text' ? likeNumber(vr, text) : kind, text });
  }

  /** In implicit VR nothing but its beginning says that a value is a sequence. */
  #perhapsItems(bytes: Buffer, context: TextContext, depth: number): void {
    try {
      drive(bytes, (held) =>
        new TextWalk(held, this.#visit).#items(0, bytes.length, bytes.length, context, depth),
      );
    } catch (error) {
      if (!(error instanceof DataSetHeadError)) throw error; // it is none; as bytes it is looked at all the same
    }
  }

  /** @param end null = a delimiter ends them */
  *#items(
    from: number,
    end: number | null,
    limit: number,
    context: TextContext,
    depth: number,
  ): Walk<number> {
    let at = from;
    while (at !== end) {
      const item = yield* headerAt(this.#held, at, context.encoding);
      at = item.valueAt;
      if (end === null && item.tag === SEQUENCE_DELIMITATION) return at;
      if (item.tag !== ITEM) throw new DataSetHeadError('items and delimiters in disorder');
      const itemEnd = item.length === UNDEFINED_LENGTH ? null : at + item.length;
      if (itemEnd !== null && itemEnd > limit)
        throw new DataSetHeadError('an item that is longer than what it is in');
      at = yield* this.#item(at, itemEnd, itemEnd ?? limit, { ...context }, depth + 1);
    }
    return at;
  }

  *#item(from: number, end: number | null, limit: number, context: TextContext, depth: number): Walk<number> {
    let at = from;
    while (at !== end) {
      const header = yield* headerAt(this.#held, at, context.encoding);
      if (end === null && header.tag === ITEM_DELIMITATION) return header.valueAt;
      if (header.tag >>> 16 === 0xfffe) throw new DataSetHeadError('items and delimiters in disorder');
      at = yield* this.element(at, limit, context, depth);
    }
    return at;
  }

  /** Fragments (PS3.5 A.4) outside of pixel data: an icon's, say. */
  *#fragments(
    { tag, valueAt }: ElementHeader,
    limit: number,
    context: TextContext,
    depth: number,
  ): Walk<number> {
    let at = valueAt;
    for (;;) {
      const item = yield* headerAt(this.#held, at, context.encoding);
      if (item.tag === SEQUENCE_DELIMITATION) return item.valueAt;
      at = item.valueAt + item.length;
      if (item.tag !== ITEM || at > limit) throw new DataSetHeadError('items and delimiters in disorder');
      const text = printable(yield* valueOf(this.#held, item, item.length));
      if (text !== '') this.#visit({ tag, depth, kind: 'bytes', text });
    }
  }
}

function itemContext(vr: string, context: TextContext): TextContext {
  return vr === 'UN' ? { ...context, encoding: IMPLICIT_LE } : { ...context };
}

function isFragmented(vr: string): boolean {
  return vr.startsWith('O');
}

function vrText({ vr }: ElementHeader): string {
  return vr === 0 ? '' : String.fromCharCode(vr >>> 8, vr & 0xff);
}

function beginsWithItem(value: Buffer, encoding: Encoding): boolean {
  return (
    value.length >= 8 &&
    readUInt16(value, 0, encoding) === 0xfffe &&
    readUInt16(value, 2, encoding) === 0xe000
  );
}

function kindOf(vr: string, bytes: Buffer): TextKind {
  if (UID_VRS.has(vr)) return 'uid';
  if (NUMBER_VRS.has(vr)) return 'number';
  if (TEXT_VRS.has(vr)) return 'text';
  if (vr.startsWith('O')) return 'bytes';
  return isText(bytes) ? 'text' : 'bytes';
}

/** Control characters that texts may hold: tab, line feed, form feed, carriage return, escape; NUL as padding. */
function isText(bytes: Buffer): boolean {
  const end = bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length;
  for (let at = 0; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(byte)) return false;
  }
  return true;
}

/** Where the VR is not known: digits and dots are a UID's or a number's, and no words. */
function likeNumber(vr: string, text: string): TextKind {
  if (TEXT_VRS.has(vr)) return 'text';
  return /^[\d.+\-eE\s\\]+$/.test(text) ? 'number' : 'text';
}

/** Runs of what can be printed, one a line. Two bytes to a character (UTF-16) are read as one. */
function printable(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  const runs = text.match(/[\x20-\x7e]{3,}/g) ?? [];
  const wide = text.match(/(?:[\x20-\x7e]\0){3,}/g) ?? [];
  return [...runs, ...wide.map((run) => run.replaceAll('\0', ''))].join('\n');
}

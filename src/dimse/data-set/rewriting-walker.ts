import { withoutPadding } from '../../core/padding.js';
import { dictionaryVr } from './dictionary.js';
import {
  checkedEnd,
  headerAt,
  isForeign,
  isFragmented,
  ITEM,
  ITEM_DELIMITATION,
  MAX_SEQUENCE_DEPTH,
  nextElement,
  SEQUENCE_DELIMITATION,
  UNDEFINED_LENGTH,
  valueOf,
  vrText,
  type ElementHeader,
  type Walk,
} from './element-walker.js';
import { encodeHeader, IMPLICIT_LE, type Encoding } from './encoding.js';
import type { HeldBytes } from './held-bytes.js';
import { DataSetHeadError } from '../errors.js';

/** An element that a visitor is asked about, wherever it stands. */
export interface ElementPlace {
  /** Group and element in one number: 0x00100010 is (0010,0010). */
  readonly tag: number;
  /** As the data set says, or where it does not, as PS3.6 says; undefined for one that neither tells. */
  readonly vr: string | undefined;
  /** 0 for the data set itself, 1 for items of its sequences, and so on. */
  readonly depth: number;
  /** Of a private element the creator of its block (PS3.5 7.8.1), null when nobody reserved it; null of a public one. */
  readonly creator: string | null;
}

/** What is done with an element, said before its value is read. */
export type Course =
  /** Nothing of it is given out. */
  | 'remove'
  /** A sequence: its items are walked, and written with undefined length. */
  | 'descend'
  /** Its value is held as a whole and asked for. */
  | 'value'
  /** Its value goes by in pieces, as it is. */
  | 'pass';

/** Whoever walks with: asked of every element at every depth, in their order. */
export interface Visitor {
  /** @param isSequence it is made of items */
  course(place: ElementPlace, isSequence: boolean): Course;
  /** What its value becomes, of even length; the same buffer when it stays, null when it goes after all. */
  value(place: ElementPlace, bytes: Buffer, characterSet: string, encoding: Encoding): Buffer | null;
  /**
   * What becomes of the pieces of a value that passes, each of the length that it has; null leaves them as they are.
   *
   * @param length of the value; null for one in fragments, in which no pixel's place is known
   */
  filter?(place: ElementPlace, length: number | null, encoding: Encoding): ((piece: Buffer) => Buffer) | null;
  /** Elements to be written before that tag, of the data set itself alone; at its end the tag is Infinity. */
  insertedBefore?(tag: number, encoding: Encoding): readonly Buffer[];
}

/** Another encoding in which a data set is given out than that in which it came. */
export interface Recoding {
  readonly encoding: Encoding;
  /** The VR that is written for an element; of no meaning where the encoding has none. */
  vr(header: ElementHeader, place: ElementPlace, isSequence: boolean): string;
  /** What turns the words of a value of that VR round, wherever it is cut; null where it has none. */
  turned(vr: string, length: number): ((piece: Buffer) => Buffer) | null;
}

/** Where what is given out goes to. */
export type Sink = (bytes: Buffer) => void;

export interface WalkOptions {
  readonly until?: number;
  readonly release: boolean;
  readonly recoding?: Recoding;
}

/** A stretch of elements: the data set, or an item. */
interface Level {
  readonly encoding: Encoding;
  /** In which it is given out. */
  readonly out: Encoding;
  readonly depth: number;
  /** Where it ends; null when a delimiter, or the end of the data set, says so. */
  readonly end: number | null;
  characterSet: string;
  /** Creators of private blocks, by group and block: 0x00290010 → `SIEMENS CSA HEADER` (PS3.5 7.8.1). */
  readonly creators: Map<number, string>;
}

const SPECIFIC_CHARACTER_SET = 0x00080005;

/**
 * Walks a data set with a visitor and gives out what it makes of it, in the encoding in which it came (PS3.5 7), or in another. Sequences and
 * items are written with undefined length, whatever length they had, those in VR UN too, whose items are in Implicit VR
 * Little Endian (PS3.5 6.2.2). Fragments (A.4) are elements of a value, and pass.
 *
 * @param until the walk ends before the first top-level element above this tag; what follows stays held
 * @param release bytes that were walked over are given up
 * @param recoding without it everything is given out in the encoding in which it came
 * @throws DataSetHeadError (while walking) when it can't be read, is out of order, or more than 8 MiB would have to be held
 */
export function* walkDataSet(
  held: HeldBytes,
  encoding: Encoding,
  visitor: Visitor,
  sink: Sink,
  { until = Infinity, release, recoding }: WalkOptions,
): Walk<void> {
  const walker = new Walker(held, visitor, sink, release, recoding);
  const out = recoding?.encoding ?? encoding;
  const level: Level = { encoding, out, depth: 0, end: null, characterSet: '', creators: new Map() };
  let at = 0;
  let last = -1;
  let header = yield* nextElement(held, at, encoding);
  while (header !== null && header.tag <= until) {
    // Who puts an element where nobody looks for it may hide it, and what the head says would not be all that it says.
    if (header.tag <= last) throw new DataSetHeadError('elements that are not in ascending order');
    last = header.tag;
    walker.insert(header.tag, encoding);
    at = yield* walker.element(header, at, level);
    header = yield* nextElement(held, at, encoding);
  }
  if (header === null) walker.insert(Infinity, encoding);
}

class Walker {
  readonly #held: HeldBytes;
  readonly #visitor: Visitor;
  readonly #sink: Sink;
  readonly #releases: boolean;
  readonly #recoding: Recoding | undefined;

  constructor(held: HeldBytes, visitor: Visitor, sink: Sink, releases: boolean, recoding?: Recoding) {
    this.#held = held;
    this.#visitor = visitor;
    this.#sink = sink;
    this.#releases = releases;
    this.#recoding = recoding;
  }

  insert(tag: number, encoding: Encoding): void {
    for (const bytes of this.#visitor.insertedBefore?.(tag, encoding) ?? []) this.#sink(bytes);
  }

  /** @returns where the element ends */
  *element(header: ElementHeader, at: number, level: Level): Walk<number> {
    const place = yield* this.#place(header, level);
    const inner = yield* this.#itemEncoding(header, place, level.encoding);
    // Elements of commands and files say who sent what; nobody looks for them in a data set.
    const course = isForeign(header.tag >>> 16) ? 'remove' : this.#visitor.course(place, inner !== null);
    if (inner !== null && (header.length === UNDEFINED_LENGTH || course === 'descend'))
      return yield* this.#sequence(
        header,
        at,
        level,
        inner,
        place,
        this.#isRecoded(course) ? 'descend' : course,
      );
    if (header.length === UNDEFINED_LENGTH) {
      if (this.#isRecoded(course)) throw new DataSetHeadError('fragments in a native transfer syntax');
      if (course === 'pass') this.#visitor.filter?.(place, null, level.encoding);
      return yield* this.#fragments(header, at, level.encoding, course);
    }
    const end = checkedEnd(header.valueAt, header.length, level.end);
    // What goes is not read: nobody needs to know what it is made of.
    if (inner !== null && course !== 'pass') {
      if (course === 'value') this.#sink(encodeHeader(header.tag, vrText(header), 0, level.encoding));
      yield* this.#range(end, end);
    } else if (course === 'value') yield* this.#value(header, at, level, place);
    else if (course === 'pass') yield* this.#passed(header, at, level, place);
    else yield* this.#range(end, end);
    this.#done(end);
    return end;
  }

  #isRecoded(course: Course): boolean {
    return this.#recoding !== undefined && course === 'pass';
  }

  *#passed(header: ElementHeader, at: number, level: Level, place: ElementPlace): Walk<void> {
    if (this.#recoding !== undefined) return yield* this.#recoded(this.#recoding, header, level, place);
    const { encoding } = level;
    const filter = this.#visitor.filter?.(place, header.length, encoding) ?? null;
    const { valueAt, length } = header;
    if (filter === null) return yield* this.#range(at, valueAt + length);
    this.#sink(this.#held.view(at, valueAt - at));
    yield* this.#range(valueAt, valueAt + length, filter);
  }

  *#recoded(recoding: Recoding, header: ElementHeader, level: Level, place: ElementPlace): Walk<void> {
    const { valueAt, length } = header;
    const vr = recoding.vr(header, place, false);
    this.#sink(encodeHeader(header.tag, vr, length, level.out));
    const isTurned = level.encoding.bigEndian !== level.out.bigEndian;
    yield* this.#range(valueAt, valueAt + length, isTurned ? recoding.turned(vr, length) : null);
  }

  *#value(header: ElementHeader, at: number, level: Level, place: ElementPlace): Walk<void> {
    const { encoding } = level;
    const bytes = yield* valueOf(this.#held, header, header.length);
    if (header.tag === SPECIFIC_CHARACTER_SET) level.characterSet = bytes.toString('latin1');
    const value = this.#visitor.value(place, bytes, level.characterSet, encoding);
    if (value === null) return;
    // What is recoded stays what it is: the visitor has only looked at it.
    if (this.#recoding !== undefined) return yield* this.#recoded(this.#recoding, header, level, place);
    if (value === bytes) this.#sink(this.#held.view(at, header.valueAt - at));
    else this.#sink(encodeHeader(header.tag, vrText(header), value.length, encoding));
    if (value.length > 0) this.#sink(value);
  }

  *#sequence(
    header: ElementHeader,
    at: number,
    level: Level,
    inner: Encoding,
    place: ElementPlace,
    course: Course,
  ): Walk<number> {
    const written = course === 'descend';
    if (course === 'pass') throw new DataSetHeadError('a sequence that would pass unread');
    if (level.depth >= MAX_SEQUENCE_DEPTH)
      throw new DataSetHeadError(`sequences more than ${MAX_SEQUENCE_DEPTH} deep`);
    const end =
      header.length === UNDEFINED_LENGTH ? null : checkedEnd(header.valueAt, header.length, level.end);
    const vr = this.#recoding?.vr(header, place, true) ?? vrText(header);
    // Items in UN are in implicit VR, little endian, whatever the rest is in (PS3.5 6.2.2).
    const out = this.#recoding === undefined || vr === 'UN' ? inner : level.out;
    if (written) this.#sink(encodeHeader(header.tag, vr, UNDEFINED_LENGTH, level.out));
    else if (course === 'value') this.#sink(encodeHeader(header.tag, vr, 0, level.out));
    at = header.valueAt;
    for (;;) {
      if (at === end) break;
      const item = yield* headerAt(this.#held, at, inner);
      at = item.valueAt;
      if (end === null && item.tag === SEQUENCE_DELIMITATION) {
        if (item.length !== 0) throw new DataSetHeadError('a delimiter that has a length');
        break;
      }
      if (item.tag !== ITEM) throw new DataSetHeadError('items and delimiters in disorder');
      const itemEnd = item.length === UNDEFINED_LENGTH ? null : checkedEnd(at, item.length, end ?? level.end);
      if (written) this.#sink(encodeHeader(ITEM, '', UNDEFINED_LENGTH, out));
      at = yield* this.#item(at, itemEnd, level, { encoding: inner, out }, written);
      if (written) this.#sink(encodeHeader(ITEM_DELIMITATION, '', 0, out));
    }
    if (written) this.#sink(encodeHeader(SEQUENCE_DELIMITATION, '', 0, out));
    this.#done(at);
    return at;
  }

  *#item(
    from: number,
    end: number | null,
    outer: Level,
    encodings: Pick<Level, 'encoding' | 'out'>,
    written: boolean,
  ): Walk<number> {
    const { encoding } = encodings;
    const level: Level = {
      ...encodings,
      depth: outer.depth + 1,
      end: end ?? outer.end,
      characterSet: outer.characterSet,
      creators: new Map(),
    };
    const walker = written ? this : new Walker(this.#held, NOTHING_KEPT, this.#sink, this.#releases);
    let at = from;
    for (;;) {
      if (at === end) return at;
      const header = yield* headerAt(this.#held, at, encoding);
      if (end === null && header.tag === ITEM_DELIMITATION) {
        if (header.length !== 0) throw new DataSetHeadError('a delimiter that has a length');
        return header.valueAt;
      }
      if (header.tag >>> 16 === 0xfffe) throw new DataSetHeadError('items and delimiters in disorder');
      at = yield* walker.element(header, at, level);
    }
  }

  /** Encapsulated pixel data: an offset table and fragments, each of defined length (PS3.5 A.4). */
  *#fragments(header: ElementHeader, at: number, encoding: Encoding, course: Course): Walk<number> {
    const passes = course === 'pass' || course === 'value';
    if (passes) this.#sink(this.#held.view(at, header.valueAt - at));
    at = header.valueAt;
    for (;;) {
      const item = yield* headerAt(this.#held, at, encoding);
      if (item.length === UNDEFINED_LENGTH) throw new DataSetHeadError('a fragment of undefined length');
      if (item.tag !== ITEM && (item.tag !== SEQUENCE_DELIMITATION || item.length !== 0))
        throw new DataSetHeadError('items and delimiters in disorder');
      const end = item.valueAt + item.length;
      yield* this.#range(passes ? at : end, end);
      this.#done(end);
      at = end;
      if (item.tag === SEQUENCE_DELIMITATION) return at;
    }
  }

  /** Gives out what lies between, piece by piece, as it comes; all of it has come when this returns. */
  *#range(from: number, end: number, filter: ((piece: Buffer) => Buffer) | null = null): Walk<void> {
    let at = from;
    for (;;) {
      const come = Math.min(end, this.#held.length);
      if (come > at) {
        for (const piece of this.#held.range(at, come)) this.#sink(filter === null ? piece : filter(piece));
        at = come;
      }
      if (this.#releases) this.#held.release(at);
      if (this.#held.length >= end) return;
      if (this.#held.ended) throw new DataSetHeadError('it ends inside an element');
      yield;
    }
  }

  #done(position: number): void {
    if (this.#releases) this.#held.release(position);
  }

  *#place(header: ElementHeader, level: Level): Walk<ElementPlace> {
    const { tag } = header;
    const { depth } = level;
    const [group, element] = [tag >>> 16, tag & 0xffff];
    if (group % 2 === 0) return { tag, depth, vr: vrOf(header), creator: null };
    if (element >= 0x10 && element <= 0xff && header.length !== UNDEFINED_LENGTH) {
      const value = yield* valueOf(this.#held, header, MAX_CREATOR_LENGTH);
      level.creators.set(tag, withoutPadding(value.toString('latin1')));
    }
    const block = element > 0xff ? ((group << 16) | (element >>> 8)) >>> 0 : tag;
    return { tag, depth, vr: vrOf(header), creator: level.creators.get(block) ?? null };
  }

  /** How a sequence's items are encoded; null for what is no sequence (PS3.5 6.2.2, 7.5). */
  *#itemEncoding(
    header: ElementHeader,
    { tag, vr }: ElementPlace,
    encoding: Encoding,
  ): Walk<Encoding | null> {
    const said = encoding.explicit ? vrText(header) : undefined;
    if (said === 'SQ') return encoding;
    if (said === 'UN' && (header.length === UNDEFINED_LENGTH || vr === 'SQ')) return IMPLICIT_LE;
    if (said !== undefined) {
      if (header.length === UNDEFINED_LENGTH && !isFragmented(header))
        throw new DataSetHeadError('an undefined length where the VR allows none');
      return null;
    }
    if (header.length === UNDEFINED_LENGTH || vr === 'SQ') return encoding;
    // In implicit VR nothing else says that a private element is a sequence.
    if (tag >>> 16 === 0xfffe || vr !== undefined || header.length < 8) return null;
    const begin = yield* valueOf(this.#held, header, 4);
    return begin.readUInt32LE(0) === 0xe000fffe ? encoding : null;
  }
}

/** PS3.5 6.2: LO has 64 characters at most, of up to four bytes each. */
const MAX_CREATOR_LENGTH = 256;

const NOTHING_KEPT: Visitor = {
  course: () => 'remove',
  value: () => null,
};

/** What the data set says; where it says nothing, or that it does not know, what PS3.6 says. */
function vrOf(header: ElementHeader): string | undefined {
  const said = vrText(header);
  return said === '' || said === 'UN' || said === '??' ? dictionaryVr(header.tag) : said;
}

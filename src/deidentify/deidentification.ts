import { encodeText } from '../dimse/data-set/character-set.js';
import { decodeText } from '../dimse/data-set/decode-text.js';
import { deflated, inflated } from '../dimse/data-set/deflated.js';
import type { Walk } from '../dimse/data-set/element-walker.js';
import { tagText } from '../dimse/data-set/dictionary.js';
import { encodingOf, isDeflated, padded, type Encoding } from '../dimse/data-set/encoding.js';
import { HeldBytes } from '../dimse/data-set/held-bytes.js';
import { JoinedPieces } from '../dimse/data-set/joined-pieces.js';
import { DataSetHeadError } from '../dimse/errors.js';
import { InstanceExcludedError } from './errors.js';
import { judged, type InstanceRules } from './exclusion.js';
import { headIn, type InstanceHead } from './head.js';
import type { Identity } from './identity.js';
import { marksOf, type Mark } from './marks.js';
import type { ElementPlace, Profile } from './profile.js';
import type { Pseudonym } from './pseudonyms.js';
import { ResidualCheck } from './residual.js';
import { rewrittenText } from './rewritten-text.js';
import { Frames } from './scrub/frames.js';
import { dummyValue, shiftedDates } from './values.js';
import { walkDataSet, type Course, type Visitor } from '../dimse/data-set/rewriting-walker.js';

/** How data sets are de-identified. */
export interface Deidentifier {
  /** The rules for an instance; PIXL's depend on the manufacturer. */
  profileFor(identity: Identity): Profile;
  /** Who stands for whom; asked once for each instance. */
  pseudonymOf(identity: Identity): Pseudonym | Promise<Pseudonym>;
  /** What is left out beside what always is, asked before the others; without it nothing is taken that only a project can allow. */
  rulesFor?(identity: Identity): InstanceRules | Promise<InstanceRules>;
}

/** An instance as it goes on. */
export interface DeidentifiedInstance {
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  /** The data set, in the transfer syntax in which it came. */
  readonly dataSet: AsyncGenerator<Buffer, void, undefined>;
  /** How often one of the patient's values was found in an element that was to be kept; complete when the data set is. */
  readonly residuals: ReadonlyMap<number, number>;
}

/**
 * De-identifies an instance as it goes by: reads who it is about, and gives the rest out piece by piece. Nothing of it
 * is given out before it was judged by what it says as far as Burned In Annotation, at most 8 MiB of it are held, and pixel
 * data goes by byte for byte.
 *
 * @param dataSet as DIMSE carries it: no preamble, no File Meta Information
 * @throws DataSetHeadError when it can't be read: what can't be read can't be told to identify nobody. From `dataSet` too.
 * @throws InstanceExcludedError when it must not be passed on. From `dataSet` too.
 */
export async function deidentify(
  dataSet: AsyncIterable<Buffer>,
  transferSyntax: string,
  deidentifier: Deidentifier,
): Promise<DeidentifiedInstance> {
  const encoding = encodingOf(transferSyntax);
  const deflates = isDeflated(transferSyntax);
  const source = (deflates ? inflated(dataSet) : dataSet)[Symbol.asyncIterator]();
  const held = new HeldBytes();
  try {
    const head = await driven(headIn(held, encoding), held, source);
    if (head.sopInstanceUid === '' || head.studyInstanceUid === '')
      throw new DataSetHeadError('it has no SOP Instance UID or no Study Instance UID');
    const judgement = judged(head, (await deidentifier.rulesFor?.(head)) ?? {}, transferSyntax);
    if (judgement.excludedBy !== null) throw new InstanceExcludedError(judgement.excludedBy);
    const pseudonym = await deidentifier.pseudonymOf(head);
    const frames = new Frames(head, judgement.blanks, transferSyntax);
    const rewriter = new Rewriter(deidentifier.profileFor(head), head, pseudonym, frames);
    const rewritten = rewrittenPieces(rewriter, held, source, encoding);
    const uid = (original: string): string => rewriter.uid(original);
    return {
      sopInstanceUid: uid(head.sopInstanceUid),
      studyInstanceUid: uid(head.studyInstanceUid),
      dataSet: deflates ? deflated(rewritten) : rewritten,
      residuals: rewriter.residuals,
    };
  } catch (error) {
    await source.return?.();
    throw error;
  }
}

/** Feeds a walk with what comes until it has what it wants. */
async function driven<Result>(
  walk: Walk<Result>,
  held: HeldBytes,
  source: AsyncIterator<Buffer, unknown>,
): Promise<Result> {
  for (;;) {
    const step = walk.next();
    if (step.done === true) return step.value;
    if (held.ended) throw new DataSetHeadError('it ends inside an element');
    const { value, done } = await source.next();
    if (done === true) held.end();
    else held.push(value);
  }
}

async function* rewrittenPieces(
  rewriter: Rewriter,
  held: HeldBytes,
  source: AsyncIterator<Buffer, unknown>,
  encoding: Encoding,
): AsyncGenerator<Buffer, void, undefined> {
  const out = new JoinedPieces();
  const walk = walkDataSet(held, encoding, rewriter, (bytes) => out.add(bytes), { release: true });
  try {
    for (;;) {
      const isOver = walk.next().done === true;
      yield* out.take();
      if (isOver) return;
      if (held.ended) throw new DataSetHeadError('it ends inside an element');
      const { value, done } = await source.next();
      if (done === true) held.end();
      else held.push(value);
    }
  } finally {
    await source.return?.();
  }
}

const SPECIFIC_CHARACTER_SET = 0x00080005;
const PATIENT_ID = 0x00100020;
/** Bulk data: larger values of these are never looked into. */
const BULK: ReadonlySet<string | undefined> = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'ox', 'lt']);
const PIXEL_GROUP = 0x7fe0;

/** VRs in which a word can be replaced by another (PS3.5 6.2). */
const FREE_TEXT: ReadonlySet<string | undefined> = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT']);
/** Numbers and dates: a patient's number may stand in them by chance, in parts of them. */
const NUMERIC_TEXT: ReadonlySet<string | undefined> = new Set(['AS', 'DA', 'DS', 'DT', 'IS', 'TM']);
/** Binary numbers, and UIDs, which are kept only where the profile says so by name. */
const NOT_TEXT: ReadonlySet<string | undefined> = new Set(
  'AT FD FL OD OF OL OV SL SS SV UI UL US UV xs'.split(' '),
);

class Rewriter implements Visitor {
  readonly residuals = new Map<number, number>();
  readonly #profile: Profile;
  readonly #pseudonym: Pseudonym;
  readonly #check: ResidualCheck;
  readonly #marks: Mark[];
  readonly #frames: Frames;

  constructor(profile: Profile, head: InstanceHead, pseudonym: Pseudonym, frames: Frames) {
    this.#profile = profile;
    this.#pseudonym = pseudonym;
    this.#check = new ResidualCheck(head);
    this.#marks = marksOf(profile, frames.areExamined);
    this.#frames = frames;
  }

  /** What a UID of the head becomes by the profile. */
  uid(original: string): string {
    const { kind } = this.#profile.actionOf({ tag: 0x00080018, vr: 'UI', depth: 0, creator: null });
    return kind === 'uid' ? this.#pseudonym.uid(original) : original;
  }

  course(place: ElementPlace, isSequence: boolean): Course {
    if (place.depth === 0 && this.#isMarked(place.tag)) return 'remove';
    const { kind } = this.#profile.actionOf(place);
    if (kind === 'remove' || this.#frames.leavesOut(place)) return 'remove';
    if (isSequence) return kind === 'empty' ? 'value' : 'descend';
    const passes = kind === 'keep' && (place.tag >>> 16 === PIXEL_GROUP || BULK.has(place.vr));
    return passes ? 'pass' : 'value';
  }

  filter(place: ElementPlace, length: number | null): ((piece: Buffer) => Buffer) | null {
    return this.#frames.filter(place, length);
  }

  value(place: ElementPlace, bytes: Buffer, characterSet: string): Buffer | null {
    const { tag, vr = 'UN' } = place;
    const action = this.#profile.actionOf(place);
    switch (action.kind) {
      case 'remove':
        return null;
      case 'empty':
        return Buffer.alloc(0);
      case 'uid':
        return this.#mapped(bytes);
      case 'dummy':
        return this.#dummy(tag, vr, bytes);
      case 'value':
        return encodeText('value', action.value, characterSet);
      case 'shift-date':
        return this.#shifted(vr, bytes);
      case 'hash':
        return this.#hashed(tag, vr, bytes, characterSet);
      case 'keep':
        return this.#kept(place, bytes, characterSet);
    }
  }

  insertedBefore(tag: number, encoding: Encoding): readonly Buffer[] {
    if (this.#marks.length === 0) return [];
    const due = this.#marks.findIndex((mark) => mark.tag > tag);
    return this.#marks.splice(0, due < 0 ? this.#marks.length : due).map((mark) => mark.encode(encoding));
  }

  #isMarked(tag: number): boolean {
    return tag === 0x00120062 || tag === 0x00120063 || tag === 0x00120064 || tag === 0x00280303;
  }

  #mapped(bytes: Buffer): Buffer {
    const mapped = decodeText(bytes, 'UI', '')
      .split('\\')
      .map((one) => (one === '' ? '' : this.#pseudonym.uid(one)));
    return padded(Buffer.from(mapped.join('\\'), 'latin1'), 'UI');
  }

  #dummy(tag: number, vr: string, bytes: Buffer): Buffer {
    if (bytes.length === 0) return bytes;
    if (tag === PATIENT_ID) return padded(Buffer.from(this.#pseudonym.patientId, 'latin1'), 'LO');
    if (vr === 'UI') return this.#mapped(bytes);
    return padded(dummyValue(vr), vr);
  }

  /** PIXL gives an SH 16 of the hash's digits, which is all that it can hold (PS3.5 6.2). */
  #hashed(tag: number, vr: string, bytes: Buffer, characterSet: string): Buffer {
    if (tag === PATIENT_ID || bytes.length === 0) return this.#dummy(tag, vr, bytes);
    if (vr === 'UI') return this.#mapped(bytes);
    if (!FREE_TEXT.has(vr)) return padded(dummyValue(vr), vr);
    const digits = vr === 'SH' ? 16 : 64;
    const hash = this.#pseudonym.hash(decodeText(bytes, vr, characterSet), digits);
    return padded(Buffer.from(hash.slice(0, digits), 'latin1'), vr);
  }

  #shifted(vr: string, bytes: Buffer): Buffer {
    const shifted = shiftedDates(decodeText(bytes, vr, ''), this.#pseudonym.shiftDays);
    return padded(shifted === null ? dummyValue(vr) : Buffer.from(shifted, 'latin1'), vr);
  }

  /** @throws InstanceExcludedError when one of the patient's values is in it and can't be replaced */
  #kept({ tag, vr }: ElementPlace, bytes: Buffer, characterSet: string): Buffer {
    if (bytes.length === 0 || NOT_TEXT.has(vr) || tag === SPECIFIC_CHARACTER_SET) return bytes;
    const text = decodeText(bytes, vr ?? 'UN', characterSet);
    if (NUMERIC_TEXT.has(vr)) {
      if (!isDate(vr) && text.split('\\').some((one) => this.#check.equals(one))) this.#found(tag, 'refused');
      return bytes;
    }
    if (!FREE_TEXT.has(vr)) {
      if (this.#check.findsInCode(text)) this.#found(tag, 'refused');
      return bytes;
    }
    const replaced = this.#check.replaced(text);
    if (replaced === null) return bytes;
    this.#found(tag, 'replaced');
    return rewrittenText(replaced, vr ?? 'LO', characterSet);
  }

  #found(tag: number, what: 'replaced' | 'refused'): void {
    this.residuals.set(tag, (this.residuals.get(tag) ?? 0) + 1);
    if (what === 'refused') throw new InstanceExcludedError('residual-identifier', tagText(tag));
  }
}

const isDate = (vr: string | undefined): boolean => vr === 'DA' || vr === 'DT' || vr === 'TM' || vr === 'AS';

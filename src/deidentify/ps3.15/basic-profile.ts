import { InvalidValueError } from '../../core/errors.js';
import { dictionaryVr } from '../../dimse/data-set/dictionary.js';
import type { Action, ElementPlace, Profile } from '../profile.js';
import { BASIC_PROFILE, OPTIONS, type ProfileOption } from './options.js';
import { TABLE_E_1_1 } from './table-e-1-1.js';

/** Private elements that are known to identify nobody: element numbers without their block, by group and creator. */
export interface SafePrivateElement {
  readonly group: number;
  readonly creator: string;
  /** The low byte of the element number: 0x23 for (2001,xx23). */
  readonly element: number;
}

export interface BasicProfileOptions {
  readonly options?: readonly ProfileOption[];
  /** What Retain Safe Private keeps: that option and this list go together. */
  readonly safePrivate?: readonly SafePrivateElement[];
}

const KEEP: Action = { kind: 'keep' };
const REMOVE: Action = { kind: 'remove' };
const EMPTY: Action = { kind: 'empty' };
const DUMMY: Action = { kind: 'dummy' };
const UID: Action = { kind: 'uid' };
const SHIFT_DATE: Action = { kind: 'shift-date' };

/**
 * What the Basic Profile's code asks for. Of a compound code the strictest action that breaks no Type 1 or Type 2 element,
 * since what a module demands of an element depends on the SOP class (PS3.15 E.2): X/Z is Z, whatever has a D is D.
 */
const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['X', REMOVE],
  ['Z', EMPTY],
  ['D', DUMMY],
  ['U', UID],
  ['X/Z', EMPTY],
  ['X/D', DUMMY],
  ['Z/D', DUMMY],
  ['X/Z/D', DUMMY],
  // A sequence whose items stay, with the UIDs in them mapped.
  ['X/Z/U*', DUMMY],
]);

/** UIDs that say what an object is and not which one: mapped they would make it unreadable. */
const CLASS_UIDS: ReadonlySet<number> = new Set([
  0x00080016, 0x0008001a, 0x0008001b, 0x00081150, 0x0008115a, 0x00083002,
]);

const DATA_SET_TRAILING_PADDING = 0xfffcfffc;
const OVERLAY_DATA = 0x60003000;
const DATES: ReadonlySet<string | undefined> = new Set(['DA', 'DT']);

interface Row {
  readonly code: string;
  readonly options: ReadonlyMap<string, string>;
}

/**
 * The Basic Application Level Confidentiality Profile with options (PS3.15 annex E, table E.1-1 of edition 2024b).
 *
 * What the table does not list is kept when PS3.6 knows it, but UIDs outside of DICOM's own root are mapped, and dates become what
 * the options say of dates; what nobody knows is removed, group lengths and trailing padding are too.
 *
 * Retain Device Identity, Institution and Patient Characteristics keep what their columns mark K and, of what they mark C,
 * the values that the residual check lets pass. Clean Descriptors and Clean Structured Content keep text on the same
 * terms. Clean Graphics keeps annotations so; overlays and curves go all the same, since nobody looks at what is drawn in them.
 *
 * @throws InvalidValueError for two options that exclude each other, for Retain Safe Private without a list or a list without it
 */
export function basicProfile({ options = [], safePrivate = [] }: BasicProfileOptions = {}): Profile {
  const chosen = new Set(options);
  const full = chosen.has('retain-longitudinal-full-dates');
  const modified = chosen.has('retain-longitudinal-modified-dates');
  if (full && modified)
    throw new InvalidValueError('options', 'full dates and modified dates exclude each other');
  // Who reads code 113111 is to find in a list what was kept.
  if (chosen.has('retain-safe-private') !== safePrivate.length > 0)
    throw new InvalidValueError(
      'options',
      'retain-safe-private and a list of safe private elements go together',
    );
  const columns = [...chosen].map((option) => OPTIONS[option].column);
  const safe = safeList(safePrivate);
  return {
    name: 'ps3.15',
    actionOf: (place) =>
      actionOf(place, {
        columns,
        safe,
        uid: chosen.has('retain-uids') ? KEEP : UID,
        date: full ? KEEP : modified ? SHIFT_DATE : DUMMY,
      }),
    method: ['PS3.15 2024b Basic Profile', ...[...chosen].sort()],
    methodCodes: [BASIC_PROFILE, ...[...chosen].sort().map((option) => OPTIONS[option].code)],
    longitudinal: full ? 'UNMODIFIED' : modified ? 'MODIFIED' : 'REMOVED',
  };
}

interface Chosen {
  /** Of the options, in the table. */
  readonly columns: readonly string[];
  readonly safe: ReadonlyMap<string, ReadonlySet<number>>;
  /** What becomes of UIDs and dates that the table does not list: it was made before PS3.6 had all of today's. */
  readonly uid: Action;
  readonly date: Action;
}

function actionOf(place: ElementPlace, { columns, safe, uid, date }: Chosen): Action {
  const { tag, vr } = place;
  const group = tag >>> 16;
  if ((tag & 0xffff) === 0 || tag === DATA_SET_TRAILING_PADDING) return REMOVE;
  if (group % 2 === 1) return isSafe(place, safe) ? KEEP : REMOVE;
  const row = rows().get(tag) ?? rowOfRepeating(tag);
  if (row !== undefined) return ofRow(row, place, columns);
  // What is left of an overlay or a curve without what is drawn would be a plane that lacks its Type 1 element.
  if (isOfDrawing(group)) return REMOVE;
  if (dictionaryVr(tag) === undefined) return REMOVE;
  if (vr === 'UI' && !CLASS_UIDS.has(tag)) return uid;
  return DATES.has(vr) ? date : KEEP;
}

function ofRow(row: Row, { tag, vr }: ElementPlace, columns: readonly string[]): Action {
  for (const column of columns) {
    const code = row.options.get(column);
    if (code === 'K') return KEEP;
    if (code === 'C' && column === 'M') return DATES.has(vr) ? SHIFT_DATE : KEEP;
    if (code === 'C' && !isDrawn(tag)) return KEEP;
  }
  const action = ACTIONS.get(row.code);
  return action ?? REMOVE;
}

/** Overlays and curves: bitmaps and lines that may spell a name. */
function isDrawn(tag: number): boolean {
  return tag >>> 24 === 0x50 || (tag & 0xff00ffff) >>> 0 === OVERLAY_DATA;
}

/** Curves (50xx) and overlays (60xx). */
function isOfDrawing(group: number): boolean {
  return group >>> 8 === 0x50 || group >>> 8 === 0x60;
}

/** A creator's reservation is kept when something of its block is (PS3.5 7.8.1). */
function isSafe({ tag, creator }: ElementPlace, safe: ReadonlyMap<string, ReadonlySet<number>>): boolean {
  if (creator === null) return false;
  const elements = safe.get(safeKey(tag >>> 16, creator));
  if (elements === undefined) return false;
  return (tag & 0xff00) === 0 || elements.has(tag & 0xff);
}

const safeKey = (group: number, creator: string): string => `${group} ${creator.trim().toUpperCase()}`;

function safeList(elements: readonly SafePrivateElement[]): Map<string, Set<number>> {
  const list = new Map<string, Set<number>>();
  for (const { group, creator, element } of elements) {
    const key = safeKey(group, creator);
    list.set(key, (list.get(key) ?? new Set<number>()).add(element));
  }
  return list;
}

let parsed: ReadonlyMap<number, Row> | undefined;

/** The rows of single tags; read when a profile first asks. */
function rows(): ReadonlyMap<number, Row> {
  parsed ??= new Map(
    parse()
      .filter(([tag]) => /^[0-9a-f]{8}$/.test(tag))
      .map(([tag, row]) => [Number.parseInt(tag, 16), row]),
  );
  return parsed;
}

let repeating: ReadonlyMap<string, Row> | undefined;

/** The rows of groups that repeat: 50xx (curves) and 60xx (overlays). */
function rowOfRepeating(tag: number): Row | undefined {
  const group = tag >>> 24;
  if (group !== 0x50 && group !== 0x60) return undefined;
  repeating ??= new Map(parse().filter(([name]) => name.includes('x')));
  const hex = tag.toString(16).padStart(8, '0');
  const [family, element] = [hex.slice(0, 2), hex.slice(4)];
  return repeating.get(`${family}xx${element}`) ?? repeating.get(`${family}xxxxxx`);
}

function parse(): (readonly [tag: string, Row])[] {
  return TABLE_E_1_1.trim()
    .split('\n')
    .map((line) => {
      const [tag = '', code = '', ...options] = line.split(' ');
      return [tag, { code, options: new Map(options.map((one) => [one.charAt(0), one.charAt(1)])) }];
    });
}

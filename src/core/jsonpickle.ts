import { InvalidValueError } from './errors.js';
import type { CalendarDate, CalendarDateTime } from './timestamp.js';

/** What Python wrote: a `datetime.date` or a `datetime.datetime` (its calendar fields are not checked yet). */
export type PythonDate =
  | { readonly type: 'date'; readonly value: CalendarDate }
  | { readonly type: 'datetime'; readonly value: CalendarDateTime };

type Json = Readonly<Record<string, unknown>>;

/** Deeper than any date; a `py/id` that points into its own ancestors would go on for ever. */
const MAX_DEPTH = 12;

/**
 * Reads the dates of a document that Python's jsonpickle wrote. Nothing is evaluated and no name is looked up:
 * the few shapes that a date can have are spelt out here, and all others are refused.
 *
 *     {"py/object": "datetime.date", "__reduce__": [{"py/type": "datetime.date"}, ["B+UHAQ=="]]}
 *     {"py/reduce": [{"py/type": "datetime.datetime"}, {"py/tuple": [{"py/b64": "…"}, <time zone>]}]}
 */
export class PickledDates {
  readonly #document: unknown;
  #numbered: readonly Json[] | undefined;

  /** @param document the whole document: `py/id` references count its objects. */
  constructor(document: unknown) {
    this.#document = document;
  }

  /** @throws InvalidValueError when the node is none of the known shapes; the text quotes nothing of it. */
  read(field: string, node: unknown): PythonDate {
    const { type, args } = this.#reduced(field, node, 0);
    const state = stateBytes(field, args[0]);
    if (type === 'datetime.date') {
      if (state.length !== 4 || args.length !== 1)
        throw new InvalidValueError(field, 'not the state of a datetime.date');
      return { type: 'date', value: dateOf(state) };
    }
    if (type !== 'datetime.datetime')
      throw new InvalidValueError(field, 'a Python object that is not a date');
    if (state.length !== 10 || args.length > 2)
      throw new InvalidValueError(field, 'not the state of a datetime.datetime');
    return {
      type: 'datetime',
      value: {
        ...dateOf(state),
        hour: state.readUInt8(4),
        minute: state.readUInt8(5),
        second: state.readUInt8(6),
        microsecond: state.readUIntBE(7, 3),
        offsetMicroseconds: this.#offset(field, args[1]),
      },
    };
  }

  /** The offset of a `datetime.timezone`, dateutil's `tzutc` or pytz' `UTC`, in microseconds; null = no time zone. */
  #offset(field: string, node: unknown): number | null {
    if (node === undefined || node === null) return null;
    const { type, args } = this.#reduced(field, node, 1);
    // A timezone may carry its name as a second argument; only the offset says when something was.
    if (type === 'datetime.timezone' && args.length >= 1 && args.length <= 2)
      return this.#timedelta(field, args[0]);
    if (
      type === 'copyreg._reconstructor' &&
      isObject(args[0]) &&
      own(args[0], 'py/type') === 'dateutil.tz.tz.tzutc'
    )
      return 0;
    if (type === 'pytz._UTC' && args.length === 0) return 0;
    throw new InvalidValueError(field, 'a time zone other than a fixed offset');
  }

  #timedelta(field: string, node: unknown): number {
    const { type, args } = this.#reduced(field, node, 2);
    const [days, seconds, microseconds] = args;
    if (
      type !== 'datetime.timedelta' ||
      args.length !== 3 ||
      !isIntegerWithin(days, -1, 0) ||
      !isIntegerWithin(seconds, 0, 86_399) ||
      !isIntegerWithin(microseconds, 0, 999_999)
    )
      throw new InvalidValueError(field, 'not the offset of a time zone');
    return (days * 86_400 + seconds) * 1_000_000 + microseconds;
  }

  /** The constructor's name and its arguments, of either spelling. */
  #reduced(field: string, node: unknown, depth: number): { type: unknown; args: readonly unknown[] } {
    if (depth > MAX_DEPTH) throw new InvalidValueError(field, 'Python references that lead in a circle');
    if (!isObject(node)) throw new InvalidValueError(field, 'not a Python object');
    const reference = own(node, 'py/id');
    if (reference !== undefined) return this.#reduced(field, this.#referenced(field, reference), depth + 1);

    const reduce = own(node, 'py/reduce') ?? own(node, '__reduce__');
    if (!Array.isArray(reduce))
      throw new InvalidValueError(field, 'a Python object without its reduced form');
    const [constructed, args, ...rest] = reduce as unknown[];
    const type = isObject(constructed)
      ? (own(constructed, 'py/type') ?? own(constructed, 'py/function'))
      : undefined;
    // Older versions write all five members of __reduce__, the last three null; dates never have them set.
    if (rest.some((member) => member !== null))
      throw new InvalidValueError(field, 'a Python object with more state');
    const named = own(node, 'py/object');
    if (named !== undefined && named !== type)
      throw new InvalidValueError(field, 'a Python object that is reduced to another type');
    return { type, args: listOf(field, args) };
  }

  /**
   * jsonpickle numbers the objects of a document in the order in which they are written, the root being 0;
   * Python writes a second use of an object (one time zone in two dates) as its number.
   */
  #referenced(field: string, reference: unknown): Json {
    this.#numbered ??= numberedObjects(this.#document);
    const target = typeof reference === 'number' && reference > 0 ? this.#numbered[reference] : undefined;
    if (target === undefined) throw new InvalidValueError(field, 'a Python reference that leads nowhere');
    return target;
  }
}

/** Is this how jsonpickle writes an object? */
export function isPickled(node: unknown): boolean {
  return isObject(node) && Object.keys(node).some((key) => key.startsWith('py/') || key === '__reduce__');
}

/** Year (2 bytes), month, day. The month's top bit is Python's `fold`: which of two equal wall clock times. */
function dateOf(state: Buffer): CalendarDate {
  return { year: state.readUInt16BE(0), month: state.readUInt8(2) & 0x7f, day: state.readUInt8(3) };
}

function stateBytes(field: string, node: unknown): Buffer {
  const text = isObject(node) ? own(node, 'py/b64') : node;
  if (typeof text !== 'string') throw new InvalidValueError(field, 'a Python date without its state');
  const trimmed = text.trimEnd();
  const bytes = Buffer.from(trimmed, 'base64');
  if (bytes.toString('base64') !== trimmed)
    throw new InvalidValueError(field, 'a Python date whose state is not base64');
  return bytes;
}

function listOf(field: string, node: unknown): readonly unknown[] {
  const list = isObject(node) ? own(node, 'py/tuple') : node;
  if (!Array.isArray(list)) throw new InvalidValueError(field, 'a Python object without arguments');
  return list as unknown[];
}

function numberedObjects(document: unknown): Json[] {
  const found: Json[] = [];
  const waiting: unknown[] = [document];
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (typeof node !== 'object' || node === null) continue;
    if (isObject(node) && (Object.hasOwn(node, 'py/object') || Object.hasOwn(node, 'py/reduce')))
      found.push(node);
    // Not as the arguments of one call: a list may have more members than a call takes.
    for (const member of Object.values(node).toReversed()) waiting.push(member);
  }
  return found;
}

function isObject(node: unknown): node is Json {
  return typeof node === 'object' && node !== null && !Array.isArray(node);
}

function own(node: Json, key: string): unknown {
  return Object.hasOwn(node, key) ? node[key] : undefined;
}

function isIntegerWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
}

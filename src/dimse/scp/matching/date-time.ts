/**
 * A date, time or datetime as the key of a query: the moments from `from` to `to`, both included. A value that is not
 * precise to the microsecond means all the time that it leaves open (PS3.5 6.2: `10` as TM is the hour from ten on).
 */
interface Span {
  readonly from: number;
  readonly to: number;
  /** For DT with an offset: minutes east of UTC. Null where there is none. */
  readonly offset: number | null;
}

type Parse = (text: string) => Span | null;

const MINUTE = 60e6;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** In milliseconds. */
const FOUR_CENTURIES = (DAY / 1000) * 146_097;

/**
 * Single value and range matching of dates and times (PS3.4 C.2.2.2.1.3, C.2.2.2.5), by their meaning: `2230` is
 * `22:30:00`. Date and time are matched apart from each other, as they are without extended negotiation (C.2.2.2.5.4).
 * A stored value that can't be read matches nothing. Values of DT that both have an offset are compared in UTC, all
 * others as the clock on the wall shows them. A range that ends before it begins holds nothing.
 *
 * @returns null when the key is neither a value nor a range
 */
export function dateTimeMatcher(vr: 'DA' | 'TM' | 'DT', key: string): ((value: string) => boolean) | null {
  const parse = PARSERS[vr];
  const range = rangeOf(key.replaceAll(' ', ''), parse);
  if (range === null) return null;
  return (value) => {
    const span = parse(value.trim());
    if (span === null) return false;
    const { from, to } = range;
    return (
      (from === null || moment(span, from.offset) >= comparable(from.from, from, span)) &&
      (to === null || moment(span, to.offset) <= comparable(to.to, to, span))
    );
  };
}

/** When the stored value is: its first moment; in UTC if both it and the key have an offset. */
function moment(value: Span, keyOffset: number | null): number {
  return value.offset === null || keyOffset === null ? value.from : value.from - value.offset * MINUTE;
}

function comparable(bound: number, key: Span, value: Span): number {
  return value.offset === null || key.offset === null ? bound : bound - key.offset * MINUTE;
}

interface Range {
  readonly from: Span | null;
  readonly to: Span | null;
}

/**
 * In DT a hyphen may begin an offset, too: every hyphen is tried as the one of the range. What could be both, a range
 * that ends before it begins or a datetime with an offset, is the latter (note 3 in C.2.2.2.1.3).
 */
function rangeOf(key: string, parse: Parse): Range | null {
  const single = parse(key);
  for (let at = key.indexOf('-'); at >= 0; at = key.indexOf('-', at + 1)) {
    const [left, right] = [key.slice(0, at), key.slice(at + 1)];
    const from = left === '' ? null : parse(left);
    const to = right === '' ? null : parse(right);
    if ((from === null && left !== '') || (to === null && right !== '')) continue;
    if (from === null && to === null) return null;
    const reversed = from !== null && to !== null && from.from > to.to;
    if (!reversed || single === null) return { from, to };
  }
  return single === null ? null : { from: single, to: single };
}

const PARSERS: Readonly<Record<'DA' | 'TM' | 'DT', Parse>> = {
  DA: parseDate,
  TM: parseTime,
  DT: parseDateTime,
};

/** PS3.5 6.2, DA; with the dots of ACR-NEMA, too. */
function parseDate(text: string): Span | null {
  const [, year, month, day] = /^(\d{4})(\.?)(\d\d)\2(\d\d)$/.exec(text)?.toSpliced(2, 1) ?? [];
  return dateSpan(year, month, day);
}

/** PS3.5 6.2, TM; with the colons of ACR-NEMA, too. In microseconds from midnight. */
function parseTime(text: string): Span | null {
  const parts = /^(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?$/.exec(text);
  if (parts === null) return null;
  const [, hour, minute, second, fraction] = parts;
  return timeSpan(0, hour, minute, second, fraction, null);
}

/** PS3.5 6.2, DT: in microseconds from 1970, as the clock on the wall shows it. */
function parseDateTime(text: string): Span | null {
  const parts =
    /^(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?$/.exec(text);
  if (parts === null) return null;
  const [, year, month, day, hour, minute, second, fraction, zone] = parts;
  const offset = offsetOf(zone);
  if (offset === undefined) return null;
  const date = dateSpan(year, month, day);
  if (date === null || hour === undefined) return date === null ? null : { ...date, offset };
  return timeSpan(date.from, hour, minute, second, fraction, offset);
}

/** Minutes east of UTC; undefined for what is no offset on earth (-1200 to +1400, PS3.5 6.2). */
function offsetOf(zone: string | undefined): number | null | undefined {
  if (zone === undefined) return null;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3));
  if (Number(zone.slice(3)) > 59 || minutes > (zone.startsWith('-') ? 720 : 840)) return undefined;
  return zone.startsWith('-') ? -minutes : minutes;
}

function dateSpan(year: string | undefined, month?: string, day?: string): Span | null {
  if (year === undefined) return null;
  const [y, m, d] = [Number(year), Number(month ?? 1), Number(day ?? 1)];
  if (m < 1 || m > 12 || d < 1 || d > daysIn(y, m)) return null;
  const from = utc(y, m, d);
  const days = day !== undefined ? 1 : month !== undefined ? daysIn(y, m) : (utc(y + 1, 1, 1) - from) / DAY;
  return { from, to: from + days * DAY - 1, offset: null };
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Date.UTC takes years below 100 for those of the last century; 400 years on the calendar is the same. */
function utc(year: number, month: number, day: number): number {
  return (Date.UTC(year + 400, month - 1, day) - FOUR_CENTURIES) * 1000;
}

function timeSpan(
  midnight: number,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
  fraction: string | undefined,
  offset: number | null,
): Span | null {
  const [h, m, s] = [Number(hour), Number(minute ?? 0), Number(second ?? 0)];
  // 60 is a leap second.
  if (h > 23 || m > 59 || s > 60) return null;
  const from = midnight + h * HOUR + m * MINUTE + s * 1e6 + Number((fraction ?? '').padEnd(6, '0'));
  const open =
    minute === undefined ? HOUR : second === undefined ? MINUTE : 10 ** (6 - (fraction ?? '').length);
  return { from, to: from + open - 1, offset };
}

/** A point in time as a peer wrote it: the text keeps the microseconds that `epochMs` can't hold. */
export interface Timestamp {
  /** ISO 8601 in the form of Python's `isoformat()`, e.g. `2023-12-07T14:08:58.123456+00:00`; no offset = UTC. */
  readonly text: string;
  /** Milliseconds since 1970-01-01T00:00:00Z, rounded down. */
  readonly epochMs: number;
}

export interface CalendarDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

export interface CalendarDateTime extends CalendarDate {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
  /** East of UTC is positive; null = none was given. */
  readonly offsetMicroseconds: number | null;
}

const MICROSECONDS_PER_DAY = 86_400_000_000;

/** True for a day of the Gregorian calendar in the years 1 to 9999 (what Python's `date` can hold). */
export function isCalendarDate({ year, month, day }: CalendarDate): boolean {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return false;
  return day <= (month === 2 && isLeapYear(year) ? 29 : (DAYS[month - 1] ?? 0));
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeapYear(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

/** True for a real day with a time of 00:00:00.000000 to 23:59:59.999999 and an offset of less than a day. */
export function isCalendarDateTime(value: CalendarDateTime): boolean {
  const { hour, minute, second, microsecond, offsetMicroseconds } = value;
  return (
    isCalendarDate(value) &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59 &&
    microsecond <= 999_999 &&
    Math.abs(offsetMicroseconds ?? 0) < MICROSECONDS_PER_DAY
  );
}

/** `YYYY-MM-DD`. */
export function formatDate({ year, month, day }: CalendarDate): string {
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
}

/** Reads `YYYY-MM-DD`, a day that exists; undefined for anything else. */
export function parseIsoDate(text: string): CalendarDate | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) return undefined;
  const date = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) };
  return isCalendarDate(date) ? date : undefined;
}

const ISO_DATE_TIME =
  /^(?<date>\d{4}-\d{2}-\d{2})[T ](?<hour>\d{2}):(?<minute>\d{2})(:(?<second>\d{2})([.,](?<fraction>\d{1,9}))?)?(?<offset>[Zz]|[+-].*)?$/;
const ISO_OFFSET =
  /^(?<sign>[+-])(?<hour>\d{2}):?((?<minute>\d{2})(:?(?<second>\d{2})(\.(?<fraction>\d{1,6}))?)?)?$/;

/** A million rows of a cohort have one timestamp. */
let lastRead: { readonly text: string; readonly timestamp: Timestamp | undefined } | undefined;

/** Reads an ISO 8601 date-time (also with a space for the T); undefined for anything else. */
export function parseIsoTimestamp(text: string): Timestamp | undefined {
  if (lastRead?.text !== text) lastRead = { text, timestamp: readIsoTimestamp(text) };
  return lastRead.timestamp;
}

function readIsoTimestamp(text: string): Timestamp | undefined {
  const value = parseIsoDateTime(text);
  return value === undefined ? undefined : timestampOf(value);
}

/** Reads an ISO 8601 date-time into its parts, which are checked but for the time of day and the offset's size. */
export function parseIsoDateTime(text: string): CalendarDateTime | undefined {
  const groups = ISO_DATE_TIME.exec(text)?.groups;
  const date = parseIsoDate(groups?.['date'] ?? '');
  if (groups === undefined || date === undefined) return undefined;
  const offsetMicroseconds = parseOffset(groups['offset']);
  if (offsetMicroseconds === undefined) return undefined;
  return {
    ...date,
    hour: Number(groups['hour']),
    minute: Number(groups['minute']),
    second: Number(groups['second'] ?? 0),
    microsecond: microsecondsOf(groups['fraction']),
    offsetMicroseconds,
  };
}

/** The timestamp of a date and time; undefined when there is no such moment in the calendar. */
export function timestampOf(value: CalendarDateTime): Timestamp | undefined {
  if (!isCalendarDateTime(value)) return undefined;
  const { hour, minute, second, microsecond, offsetMicroseconds } = value;
  const fraction = microsecond === 0 ? '' : `.${digits(microsecond, 6)}`;
  const time = `${digits(hour, 2)}:${digits(minute, 2)}:${digits(second, 2)}${fraction}`;
  const offset = offsetMicroseconds === null ? '' : formatOffset(offsetMicroseconds);
  const localMicroseconds = ((hour * 60 + minute) * 60 + second) * 1_000_000 + microsecond;
  const sinceMidnightMs = Math.floor((localMicroseconds - (offsetMicroseconds ?? 0)) / 1000);
  return Object.freeze({
    text: `${formatDate(value)}T${time}${offset}`,
    epochMs: epochMsOf(value) + sinceMidnightMs,
  });
}

/** Midnight UTC. Not Date.UTC, which takes the years 0 to 99 for 1900 to 1999. */
function epochMsOf({ year, month, day }: CalendarDate): number {
  return new Date(0).setUTCFullYear(year, month - 1, day);
}

/** Microseconds; null when there is no offset, undefined when it isn't one. */
function parseOffset(text: string | undefined): number | null | undefined {
  if (text === undefined) return null;
  if (text === 'Z' || text === 'z') return 0;
  const groups = ISO_OFFSET.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const minutes = Number(groups['minute'] ?? 0);
  const seconds = Number(groups['second'] ?? 0);
  if (minutes > 59 || seconds > 59) return undefined;
  const size =
    ((Number(groups['hour']) * 60 + minutes) * 60 + seconds) * 1_000_000 + microsecondsOf(groups['fraction']);
  return groups['sign'] === '-' && size > 0 ? -size : size;
}

function formatOffset(offsetMicroseconds: number): string {
  const size = Math.abs(offsetMicroseconds);
  const seconds = Math.floor(size / 1_000_000) % 60;
  const minutes = Math.floor(size / 60_000_000) % 60;
  const microseconds = size % 1_000_000;
  const fraction = microseconds === 0 ? '' : `.${digits(microseconds, 6)}`;
  const tail = seconds === 0 && microseconds === 0 ? '' : `:${digits(seconds, 2)}${fraction}`;
  const sign = offsetMicroseconds < 0 ? '-' : '+';
  return `${sign}${digits(Math.floor(size / 3_600_000_000), 2)}:${digits(minutes, 2)}${tail}`;
}

/** Digits beyond the sixth are cut, as Python does. */
function microsecondsOf(fraction: string | undefined): number {
  return Number((fraction ?? '').padEnd(6, '0').slice(0, 6));
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

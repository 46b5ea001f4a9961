import { InvalidValueError } from './errors.js';

/** Hours of the week in local time. Made by `parseAllowedHours`. */
export interface AllowedHours {
  /** As it was written. */
  readonly text: string;
  /** Minutes of the week from Monday 00:00; `from` inclusive, `to` exclusive; none passes the end of the week. */
  readonly spans: readonly { readonly from: number; readonly to: number }[];
}

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const DAY_MINUTES = 24 * 60;
const WEEK_MINUTES = 7 * DAY_MINUTES;

/**
 * Reads `always`, `20:00-08:00` (each day), `Mon-Fri 20:00-08:00`, `Sat,Sun 00:00-24:00`, or several of them joined by commas.
 * Hours that end earlier than they begin go over midnight and belong to the day on which they begin.
 *
 * @throws InvalidValueError that says which part is wrong
 */
export function parseAllowedHours(text: string): AllowedHours {
  const spans: { from: number; to: number }[] = [];
  let days: number[] = [];
  for (const part of text.split(',').map((piece) => piece.trim())) {
    if (part === '') throw fault('a part between commas is empty');
    if (/^always$/i.test(part)) {
      if (days.length > 0) throw fault('days stand before "always"');
      spans.push({ from: 0, to: WEEK_MINUTES });
      continue;
    }
    const { dayText, hoursText } = partsOf(part);
    if (dayText === null && days.length > 0) throw fault(`days without hours before ${shown(part)}`);
    days.push(...(dayText === null ? DAYS.keys() : daysOf(dayText)));
    if (hoursText === null) continue;
    const { from, to } = hoursOf(hoursText);
    for (const day of days) spans.push(...within(day * DAY_MINUTES + from, day * DAY_MINUTES + to));
    days = [];
  }
  if (days.length > 0) throw fault('days without hours at the end');
  return { text, spans };
}

/**
 * Is it open at this moment? The local clock decides, and nothing else. So what the clocks leave out in spring is never
 * open, hours that begin in it begin behind it, and an hour that comes twice in autumn is open both times when it is
 * written as open. It is never open while a clock on the wall shows a time outside the hours.
 *
 * @throws RangeError when the time zone is not known
 */
export function isOpen(hours: AllowedHours, at: Date, timeZone: string): boolean {
  const minute = minuteOfWeek(at.getTime(), timeZone);
  return hours.spans.some(({ from, to }) => minute >= from && minute < to);
}

/** Hours that lie in what the clocks leave out may not come in a week; they do come in the next. */
const LOOK_AHEAD_MS = 16 * 24 * 3600 * 1000;
const MINUTE_MS = 60_000;
/** Small enough that no zone sets its clocks twice in it. */
const LEAP_MINUTES = 360;

/**
 * When `isOpen` changes next after this moment; null = it does not.
 *
 * @throws RangeError when the time zone is not known
 */
export function nextChange(hours: AllowedHours, at: Date, timeZone: string): Date | null {
  const now = isOpen(hours, at, timeZone);
  const changed = (ms: number): boolean => isOpen(hours, new Date(ms), timeZone) !== now;
  let from = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;
  const end = from + LOOK_AHEAD_MS;
  while (from < end) {
    const minute = minuteOfWeek(from, timeZone);
    const leap = Math.min(LEAP_MINUTES, minutesToEdge(hours, minute));
    const to = from + leap * MINUTE_MS;
    if (minuteOfWeek(to, timeZone) === (minute + leap) % WEEK_MINUTES) from = to;
    else from = clockChange(from, to, timeZone);
    if (changed(from)) return new Date(from);
  }
  return null;
}

/** From here to the next moment of the week at which some hours begin or end. */
function minutesToEdge(hours: AllowedHours, minute: number): number {
  const edges = hours.spans.flatMap(({ from, to }) => [from, to]);
  return Math.min(
    WEEK_MINUTES,
    ...edges.map((edge) => (edge - minute + WEEK_MINUTES) % WEEK_MINUTES || WEEK_MINUTES),
  );
}

/** The minute at which the local clocks are set, in a stretch in which they are set once. */
function clockChange(from: number, to: number, timeZone: string): number {
  const before = minuteOfWeek(from, timeZone);
  let [unset, set] = [0, (to - from) / MINUTE_MS];
  while (set - unset > 1) {
    const middle = Math.floor((unset + set) / 2);
    const isUnset = minuteOfWeek(from + middle * MINUTE_MS, timeZone) === (before + middle) % WEEK_MINUTES;
    if (isUnset) unset = middle;
    else set = middle;
  }
  return from + set * MINUTE_MS;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function minuteOfWeek(ms: number, timeZone: string): number {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formats.set(timeZone, format);
  }
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const day = DAYS.indexOf((parts.get('weekday') ?? '').toLowerCase());
  return day * DAY_MINUTES + Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
}

function partsOf(part: string): { readonly dayText: string | null; readonly hoursText: string | null } {
  const [first = '', second, ...more] = part.split(/\s+/);
  if (more.length > 0) throw fault(`${shown(part)} is more than days and hours`);
  if (second !== undefined) return { dayText: first, hoursText: second };
  return /^\d/.test(first) ? { dayText: null, hoursText: first } : { dayText: first, hoursText: null };
}

function daysOf(text: string): number[] {
  const [first, last, ...more] = text.split('-').map((name) => {
    const day = DAYS.indexOf(name.toLowerCase());
    if (day < 0) throw fault(`${shown(name)} is not a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun)`);
    return day;
  });
  if (first === undefined || more.length > 0)
    throw fault(`${shown(text)} is not a day or two days like Mon-Fri`);
  const count = last === undefined ? 1 : ((last - first + 7) % 7) + 1;
  return Array.from({ length: count }, (_, index) => (first + index) % 7);
}

function hoursOf(text: string): { readonly from: number; readonly to: number } {
  const match = /^(\d{2}:\d{2})-(\d{2}:\d{2})$/.exec(text);
  if (match === null) throw fault(`${shown(text)} is not hours like 20:00-08:00`);
  const from = clock(match[1] ?? '');
  const to = clock(match[2] ?? '');
  if (from === DAY_MINUTES) throw fault('hours begin at 24:00, which is 00:00 of the next day');
  if (from === to) throw fault(`${shown(text)} begins and ends at the same time; a whole day is 00:00-24:00`);
  return { from, to: to > from ? to : to + DAY_MINUTES };
}

function clock(text: string): number {
  const [hour, minute] = text.split(':').map(Number);
  const minutes = (hour ?? NaN) * 60 + (minute ?? NaN);
  if ((minute ?? NaN) > 59 || minutes > DAY_MINUTES)
    throw fault(`${shown(text)} is not a time from 00:00 to 24:00`);
  return minutes;
}

/** What passes the end of the week is in the beginning of the next. */
function within(from: number, to: number): { readonly from: number; readonly to: number }[] {
  if (to <= WEEK_MINUTES) return [{ from, to }];
  return [
    { from, to: WEEK_MINUTES },
    { from: 0, to: to - WEEK_MINUTES },
  ];
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}

function fault(problem: string): InvalidValueError {
  return new InvalidValueError('allowed hours', problem);
}

import { InvalidValueError } from '../core/errors.js';

/** The date that stands for none: before every image. */
const NO_DATE = '19000101';

/** What stands for a value that must not be told, by VR (PS3.5 6.2); for numbers zero, in as many bytes as one has. */
const TEXT_DUMMIES: Readonly<Record<string, string>> = {
  AE: 'DEIDENTIFIED',
  AS: '000Y',
  CS: 'DEIDENTIFIED',
  DA: NO_DATE,
  DS: '0',
  DT: `${NO_DATE}000000`,
  IS: '0',
  LO: 'DEIDENTIFIED',
  LT: 'DEIDENTIFIED',
  PN: 'DEIDENTIFIED',
  SH: 'DEIDENTIFIED',
  ST: 'DEIDENTIFIED',
  TM: '000000',
  UC: 'DEIDENTIFIED',
  UR: 'urn:deidentified',
  UT: 'DEIDENTIFIED',
};

const NUMBER_LENGTHS: Readonly<Record<string, number>> = {
  AT: 4,
  FD: 8,
  FL: 4,
  SL: 4,
  SS: 2,
  SV: 8,
  UL: 4,
  US: 2,
  UV: 8,
  OD: 8,
  OF: 4,
  OL: 4,
  OV: 8,
};

/** A value that says nothing, of the VR's form: text as it is, of binary VRs zeros (PS3.15 E.2: "D"). */
export function dummyValue(vr: string): Buffer {
  const text = TEXT_DUMMIES[vr];
  return text === undefined ? Buffer.alloc(NUMBER_LENGTHS[vr] ?? 2) : Buffer.from(text, 'latin1');
}

/**
 * Moves each date of a DA or DT value into the past by whole days; the time of day and the offset stay as they are.
 *
 * @param value several dates are joined by a backslash
 * @param days 1 and more
 * @returns null when one of them is no date: what can't be moved is not to be told
 */
export function shiftedDates(value: string, days: number): string | null {
  if (!Number.isInteger(days) || days < 1) throw new InvalidValueError('days', 'not a whole number above 0');
  const shifted = value.split('\\').map((one) => shiftedDate(one.trim(), days));
  return shifted.includes(null) ? null : shifted.join('\\');
}

function shiftedDate(date: string, days: number): string | null {
  if (date === '') return '';
  // The old form of DA has dots (PS3.5 6.2).
  const match = /^(\d{4})\.?(\d{2})\.?(\d{2})((?:\d{2}){0,3}(?:\.\d{1,6})?(?:[+-]\d{4})?)$/.exec(date);
  if (match === null) return null;
  const [, year = '', month = '', day = '', rest = ''] = match;
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  // 2023-02-30 is no date, and Date.UTC would make one of it.
  const real = new Date(time);
  if (real.getUTCMonth() + 1 !== Number(month) || real.getUTCDate() !== Number(day) || Number(year) < 100)
    return null;
  const moved = new Date(time - days * 86_400_000);
  const digits = (number: number, length: number): string => String(number).padStart(length, '0');
  return `${digits(moved.getUTCFullYear(), 4)}${digits(moved.getUTCMonth() + 1, 2)}${digits(moved.getUTCDate(), 2)}${rest}`;
}

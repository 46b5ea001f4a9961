import { createHash } from 'node:crypto';
import { InvalidValueError } from './errors.js';

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

export type StudyInstanceUid = Brand<string, 'StudyInstanceUID'>;
export type SeriesInstanceUid = Brand<string, 'SeriesInstanceUID'>;
export type SopInstanceUid = Brand<string, 'SOPInstanceUID'>;
/** PatientID (0010,0020), VR LO; the hospital's MRN. */
export type PatientId = Brand<string, 'PatientID'>;
/** AccessionNumber (0008,0050), VR SH. */
export type AccessionNumber = Brand<string, 'AccessionNumber'>;
/** VR AE, PS3.5 6.2. */
export type AeTitle = Brand<string, 'AETitle'>;

/** Digits in components, joined by dots, at most 64 characters (PS3.5 9.1). */
export function isUid(text: string): boolean {
  return text.length <= 64 && /^\d+(\.\d+)+$/.test(text);
}

/** Twice what PS3.5 9.1 allows; longer ones are no names. */
const MAX_NAME_LENGTH = 128;

/**
 * Whether a UID can be asked for and sent on as it came. Archives hold UIDs that PS3.5 9.1 forbids (letters, empty components,
 * more than 64 characters): those are names that are compared, and nothing else. What would become another question can't be passed on:
 * a wild card, a list, nothing at all; nor can what has bytes outside of the default repertoire, of which no encoding is known.
 */
export function canBePassedOn(text: string): boolean {
  return (
    text.length <= MAX_NAME_LENGTH &&
    /^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$/.test(text) &&
    !/[*?\\]/.test(text)
  );
}

/** Whether an instance is stored under it: any name, but none that speaks of other folders. */
export function canBeKept(uid: string): boolean {
  return canBePassedOn(uid) && !uid.includes('/');
}

/** The name of a file or folder for a UID: the UID, or where that could mean another place a digest of it. */
export function fileNameOf(uid: string): string {
  return /^[0-9A-Za-z][0-9A-Za-z._-]*$/.test(uid) && uid.length <= MAX_NAME_LENGTH
    ? uid
    : `uid-${createHash('sha256').update(uid).digest('hex')}`;
}

function uid(field: string, text: string): string {
  const name = text.trim();
  if (name === '') throw new InvalidValueError(field, 'empty');
  if (!canBePassedOn(name))
    throw new InvalidValueError(
      field,
      `not a UID: holds a wild card, a backslash, a control character or one outside of ASCII, or is longer than ${MAX_NAME_LENGTH} characters`,
    );
  return name;
}

/** @throws InvalidValueError when the text can't be passed on. */
export function studyInstanceUid(text: string): StudyInstanceUid {
  return uid('StudyInstanceUID', text) as StudyInstanceUid;
}

/** @throws InvalidValueError when the text can't be passed on. */
export function seriesInstanceUid(text: string): SeriesInstanceUid {
  return uid('SeriesInstanceUID', text) as SeriesInstanceUid;
}

/** @throws InvalidValueError when the text can't be passed on. */
export function sopInstanceUid(text: string): SopInstanceUid {
  return uid('SOPInstanceUID', text) as SopInstanceUid;
}

/**
 * A value that goes into a query as a single-value match (PS3.4 C.2.2.2.1) must not be able to become a wild
 * card match, a list, or nothing at all.
 */
function singleValue(field: string, text: string, maxLength: number): string {
  // Before the trimming, which would take a line feed at the end for white space.
  if (/\p{Cc}/u.test(text)) throw new InvalidValueError(field, 'holds a control character');
  const value = text.trim();
  if (value === '') throw new InvalidValueError(field, 'empty');
  if (value.length > maxLength) throw new InvalidValueError(field, `longer than ${maxLength} characters`);
  if (/[*?]/.test(value)) throw new InvalidValueError(field, 'holds a wild card (* or ?)');
  if (value.includes('\\'))
    throw new InvalidValueError(field, 'holds a backslash, which would make it a list');
  return value;
}

/** @throws InvalidValueError when it could widen a query or is longer than LO allows (64). */
export function patientId(text: string): PatientId {
  return singleValue('PatientID', text, 64) as PatientId;
}

/** @throws InvalidValueError when it could widen a query or is longer than 64 (SH allows 16; longer ones are met). */
export function accessionNumber(text: string): AccessionNumber {
  return singleValue('AccessionNumber', text, 64) as AccessionNumber;
}

/** @throws InvalidValueError unless 1 to 16 characters of the default repertoire without backslash (PS3.5 6.2, AE). */
export function aeTitle(text: string): AeTitle {
  const value = text.trim();
  if (!/^[\x20-\x5b\x5d-\x7e]{1,16}$/.test(value))
    throw new InvalidValueError('AE title', 'not 1 to 16 printable ASCII characters without backslash');
  return value as AeTitle;
}

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

/**
 * Digits in components, joined by dots, at most 64 characters (PS3.5 9.1). Leading zeros in a component are
 * against 9.1 but are met in real archives, so they are let pass: a UID is only ever compared and sent on.
 */
export function isUid(text: string): boolean {
  return text.length <= 64 && /^\d+(\.\d+)+$/.test(text);
}

function uid(field: string, text: string): string {
  if (!isUid(text)) throw new InvalidValueError(field, 'not a UID (PS3.5 9.1)');
  return text;
}

/** @throws InvalidValueError when the text is not a UID (PS3.5 9.1). */
export function studyInstanceUid(text: string): StudyInstanceUid {
  return uid('StudyInstanceUID', text) as StudyInstanceUid;
}

/** @throws InvalidValueError when the text is not a UID (PS3.5 9.1). */
export function seriesInstanceUid(text: string): SeriesInstanceUid {
  return uid('SeriesInstanceUID', text) as SeriesInstanceUid;
}

/** @throws InvalidValueError when the text is not a UID (PS3.5 9.1). */
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

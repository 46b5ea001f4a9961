import { InvalidValueError, PixlError } from './errors.js';
import {
  accessionNumber,
  patientId,
  seriesInstanceUid,
  studyInstanceUid,
  type AccessionNumber,
  type PatientId,
  type SeriesInstanceUid,
  type StudyInstanceUid,
} from './ids.js';
import { parseStrictJson } from './json-text.js';
import { isPickled, PickledDates } from './jsonpickle.js';
import {
  formatDate,
  isCalendarDate,
  parseIsoDate,
  parseIsoDateTime,
  parseIsoTimestamp,
  timestampOf,
  type CalendarDate,
  type Timestamp,
} from './timestamp.js';

/**
 * One wish: a study, or some of its series, for a project. Either `studyInstanceUid`, or both `mrn` and
 * `accessionNumber`, are there.
 */
export interface ImagingMessage {
  readonly mrn: PatientId | null;
  readonly accessionNumber: AccessionNumber | null;
  readonly studyInstanceUid: StudyInstanceUid | null;
  /** Empty = the whole study. Each series once. */
  readonly seriesInstanceUids: readonly SeriesInstanceUid[];
  /** `YYYY-MM-DD`. */
  readonly studyDate: string;
  readonly procedureOccurrenceId: number;
  readonly projectName: string;
  readonly extractGeneratedTimestamp: Timestamp;
}

/** What of a message the journey needs. */
export type StudyRequest = Pick<
  ImagingMessage,
  'mrn' | 'accessionNumber' | 'studyInstanceUid' | 'seriesInstanceUids' | 'projectName'
>;

export interface MessageFault {
  /** The message's field as it is spelt on the wire, or `message` for the whole body. */
  readonly field: string;
  readonly problem: string;
}

/** The body is no imaging message. All that is wrong is named at once; nothing of the body is quoted. */
export class MessageRejectedError extends PixlError {
  readonly code = 'MESSAGE_REJECTED';
  readonly retry = 'never';
  readonly faults: readonly MessageFault[];

  constructor(faults: readonly MessageFault[]) {
    super(`message rejected: ${faults.map(({ field, problem }) => `${field}: ${problem}`).join('; ')}`);
    this.faults = Object.freeze(faults.map((fault) => Object.freeze({ ...fault })));
  }
}

/** A message with 900 series of the longest UIDs fits; a body beyond that is none of ours. */
export const MAX_MESSAGE_BYTES = 64 * 1024;

/** Studies have tens of series, rarely hundreds. */
export const MAX_SERIES_PER_MESSAGE = 1000;

/** The name goes into every delivered instance as LO (000D,1001), which holds 64 characters (PS3.5 6.2). */
export const MAX_PROJECT_NAME_LENGTH = 64;

/** What the Python services call the class of a message. */
export const PYTHON_CLASS = 'core.patient_queue.message.Message';

const WHOLE_MESSAGE = 'message';

/**
 * Reads what came off a queue: plain JSON, or the same fields as jsonpickle encodes them.
 *
 * @throws MessageRejectedError with all faults together.
 */
export function parseImagingMessage(body: Uint8Array): ImagingMessage {
  if (body.length > MAX_MESSAGE_BYTES)
    throw new MessageRejectedError([
      { field: WHOLE_MESSAGE, problem: `larger than ${MAX_MESSAGE_BYTES} bytes` },
    ]);
  let fields: unknown;
  try {
    fields = parseStrictJson(WHOLE_MESSAGE, body);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new MessageRejectedError([{ field: WHOLE_MESSAGE, problem: error.problem }]);
  }
  return parseImagingMessageFields(fields);
}

/**
 * Reads a message that is parsed JSON already (one of an HTTP body, a row of a cohort). Keys are in snake_case;
 * unknown ones are ignored.
 *
 * @throws MessageRejectedError with all faults together.
 */
export function parseImagingMessageFields(fields: unknown): ImagingMessage {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw new MessageRejectedError([{ field: WHOLE_MESSAGE, problem: 'not a JSON object' }]);

  const reader = new FieldReader(fields as Readonly<Record<string, unknown>>);
  const message = {
    mrn: reader.read('mrn', optionalText(patientId)),
    accessionNumber: reader.read('accession_number', optionalText(accessionNumber)),
    studyInstanceUid: reader.read('study_uid', optionalText(studyInstanceUid)),
    seriesInstanceUids: reader.readOptional('series_uid', seriesList) ?? Object.freeze([]),
    studyDate: reader.read('study_date', studyDate),
    procedureOccurrenceId: reader.read('procedure_occurrence_id', safeInteger),
    projectName: reader.read('project_name', projectName),
    extractGeneratedTimestamp: reader.read('extract_generated_timestamp', timestamp),
  };
  reader.requireOneWayToFind(message);
  return Object.freeze(reader.complete(message));
}

/** The message as publishers put it on a queue: plain JSON in UTF-8, keys in snake_case. */
export function encodeImagingMessage(message: ImagingMessage): Buffer {
  return encodeFields({
    mrn: message.mrn ?? '',
    accession_number: message.accessionNumber ?? '',
    study_uid: message.studyInstanceUid ?? '',
    series_uid: message.seriesInstanceUids.join('\\'),
    study_date: message.studyDate,
    procedure_occurrence_id: message.procedureOccurrenceId,
    project_name: message.projectName,
    extract_generated_timestamp: message.extractGeneratedTimestamp.text,
  });
}

/** The same of fields that a message was read from: the same message has the same bytes, in whatever order they are. */
export function encodeFields(fields: {
  readonly mrn: string;
  readonly accession_number: string;
  readonly study_uid: string;
  readonly series_uid: string;
  readonly study_date: string;
  readonly procedure_occurrence_id: number;
  readonly project_name: string;
  readonly extract_generated_timestamp: string;
}): Buffer {
  const { mrn, accession_number, study_uid, series_uid, study_date, procedure_occurrence_id } = fields;
  const { project_name, extract_generated_timestamp } = fields;
  return Buffer.from(
    JSON.stringify({
      ...{ mrn, accession_number, study_uid, series_uid, study_date, procedure_occurrence_id },
      ...{ project_name, extract_generated_timestamp },
    }),
  );
}

type ReadValue<T> = (value: unknown, field: string, dates: PickledDates) => T;
type Unread<T> = { readonly [Key in keyof T]: T[Key] | undefined };

/** Reads field after field and keeps the faults, so that all of them can be reported together. */
class FieldReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #dates: PickledDates;
  readonly #faults: MessageFault[] = [];

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
    this.#dates = new PickledDates(fields);
    if (Object.hasOwn(fields, 'py/object') && fields['py/object'] !== PYTHON_CLASS)
      this.#faults.push({ field: 'py/object', problem: `not ${PYTHON_CLASS}` });
  }

  /** undefined = there was a fault, which is kept. */
  read<T>(field: string, readValue: ReadValue<T>): T | undefined {
    if (Object.hasOwn(this.#fields, field)) return this.#keepFault(field, readValue);
    this.#faults.push({ field, problem: 'missing' });
    return undefined;
  }

  /** A field that may be left out, or be null. */
  readOptional<T>(field: string, readValue: ReadValue<T>): T | undefined {
    if (!Object.hasOwn(this.#fields, field) || this.#fields[field] === null) return undefined;
    return this.#keepFault(field, readValue);
  }

  /** An empty query key would match everything: there has to be a UID, or both of the others. */
  requireOneWayToFind(
    message: Unread<Pick<ImagingMessage, 'mrn' | 'accessionNumber' | 'studyInstanceUid'>>,
  ): void {
    if (message.studyInstanceUid !== null) return;
    for (const [field, value] of [
      ['mrn', message.mrn],
      ['accession_number', message.accessionNumber],
    ] as const)
      if (value === null) this.#faults.push({ field, problem: 'empty, and so is study_uid' });
  }

  /** @throws MessageRejectedError when there was any fault. */
  complete(message: Unread<ImagingMessage>): ImagingMessage {
    if (this.#faults.length > 0) throw new MessageRejectedError(this.#faults);
    return message as ImagingMessage;
  }

  #keepFault<T>(field: string, readValue: ReadValue<T>): T | undefined {
    try {
      return readValue(this.#fields[field], field, this.#dates);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      this.#faults.push({ field, problem: error.problem });
      return undefined;
    }
  }
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new InvalidValueError(field, 'not a string');
  if (/\p{Surrogate}/u.test(value)) throw new InvalidValueError(field, 'holds half of a character');
  // Before the trimming, which would take a line feed at the end for white space.
  if (/\p{Cc}/u.test(value)) throw new InvalidValueError(field, 'holds a control character');
  return value.trim();
}

function optionalText<T>(parse: (value: string) => T): ReadValue<T | null> {
  return (value, field) => {
    const given = text(value, field);
    return given === '' ? null : parse(given);
  };
}

function seriesList(value: unknown, field: string): readonly SeriesInstanceUid[] {
  const given = text(value, field);
  if (given === '') return Object.freeze([]);
  const items = given.split('\\');
  if (items.length > MAX_SERIES_PER_MESSAGE)
    throw new InvalidValueError(field, `more than ${MAX_SERIES_PER_MESSAGE} series`);
  return Object.freeze([...new Set(items.map((item) => seriesInstanceUid(item.trim())))]);
}

function safeInteger(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw new InvalidValueError(field, 'not an integer');
  // Beyond 2^53 JSON.parse has rounded already: another procedure's number would be recorded.
  if (!Number.isSafeInteger(value)) throw new InvalidValueError(field, 'an integer beyond 2^53');
  return value;
}

/** A project's name: it goes into an element of VR LO. @throws InvalidValueError naming `field` */
export function projectName(value: unknown, field: string): string {
  const given = text(value, field);
  if (given === '') throw new InvalidValueError(field, 'empty');
  if (given.length > MAX_PROJECT_NAME_LENGTH)
    throw new InvalidValueError(field, `longer than ${MAX_PROJECT_NAME_LENGTH} characters`);
  if (given.includes('\\'))
    throw new InvalidValueError(field, 'holds a backslash, which would make it a list');
  return given;
}

function studyDate(value: unknown, field: string, dates: PickledDates): string {
  const date = isPickled(value) ? dates.read(field, value).value : isoDate(text(value, field));
  if (date === undefined || !isCalendarDate(date))
    throw new InvalidValueError(field, 'not a date (YYYY-MM-DD)');
  return formatDate(date);
}

/** Of a date-time the date. */
function isoDate(given: string): CalendarDate | undefined {
  return (
    parseIsoDate(given) ?? (parseIsoTimestamp(given) === undefined ? undefined : parseIsoDateTime(given))
  );
}

function timestamp(value: unknown, field: string, dates: PickledDates): Timestamp {
  const read = isPickled(value)
    ? pickledTimestamp(value, field, dates)
    : parseIsoTimestamp(text(value, field));
  if (read === undefined) throw new InvalidValueError(field, 'not an ISO 8601 date-time');
  return read;
}

function pickledTimestamp(value: unknown, field: string, dates: PickledDates): Timestamp | undefined {
  const read = dates.read(field, value);
  if (read.type !== 'datetime') throw new InvalidValueError(field, 'a date where a date-time belongs');
  return timestampOf(read.value);
}

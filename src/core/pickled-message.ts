import { InternalError } from './errors.js';
import { PYTHON_CLASS, type ImagingMessage } from './message.js';
import { parseIsoDate, parseIsoDateTime, type CalendarDate, type CalendarDateTime } from './timestamp.js';

const MICROSECONDS_PER_SECOND = 1_000_000;
const MICROSECONDS_PER_DAY = 86_400 * MICROSECONDS_PER_SECOND;

/**
 * The message as PIXL's services put it on a queue: a `Message` by jsonpickle, with dates as the constructor's bytes. Only
 * they need it so; what it says is what `encodeImagingMessage` writes.
 */
export function encodePickledMessage(message: ImagingMessage): Buffer {
  return Buffer.from(
    JSON.stringify({
      'py/object': PYTHON_CLASS,
      mrn: message.mrn ?? '',
      accession_number: message.accessionNumber ?? '',
      study_uid: message.studyInstanceUid ?? '',
      series_uid: message.seriesInstanceUids.join('\\'),
      study_date: pickledDate(known(parseIsoDate(message.studyDate))),
      procedure_occurrence_id: message.procedureOccurrenceId,
      project_name: message.projectName,
      extract_generated_timestamp: pickledDateTime(
        known(parseIsoDateTime(message.extractGeneratedTimestamp.text)),
      ),
    }),
  );
}

/** A message holds no other dates. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw new InternalError('a message whose date is none');
  return value;
}

function pickledDate(date: CalendarDate): object {
  return reduced('datetime.date', [Buffer.from(dateBytes(date)).toString('base64')]);
}

function pickledDateTime(value: CalendarDateTime): object {
  const { hour, minute, second, microsecond, offsetMicroseconds } = value;
  const bytes = Buffer.from([...dateBytes(value), hour, minute, second, 0, 0, 0]);
  bytes.writeUIntBE(microsecond, 7, 3);
  const state = bytes.toString('base64');
  return reduced(
    'datetime.datetime',
    offsetMicroseconds === null ? [state] : [state, pickledZone(offsetMicroseconds)],
  );
}

/** A timedelta is normalised as Python does it: the days may be negative, the rest not. */
function pickledZone(offsetMicroseconds: number): object {
  const days = Math.floor(offsetMicroseconds / MICROSECONDS_PER_DAY);
  const rest = offsetMicroseconds - days * MICROSECONDS_PER_DAY;
  const parts = [days, Math.floor(rest / MICROSECONDS_PER_SECOND), rest % MICROSECONDS_PER_SECOND];
  return call('datetime.timezone', [call('datetime.timedelta', parts)]);
}

function dateBytes({ year, month, day }: CalendarDate): number[] {
  return [year >> 8, year & 0xff, month, day];
}

function reduced(type: string, args: readonly unknown[]): object {
  return { 'py/object': type, __reduce__: [{ 'py/type': type }, args] };
}

function call(type: string, args: readonly unknown[]): object {
  return { 'py/reduce': [{ 'py/type': type }, { 'py/tuple': args }] };
}

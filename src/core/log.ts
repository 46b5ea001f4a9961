import { createHash } from 'node:crypto';
import { pino, type DestinationStream } from 'pino';
import { describeError } from './errors.js';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * What the code logs with. The fields are fixed: `study` (hashed), `node`, `queue`, `operation`, `status`,
 * `code`, `outcome`, `reason`, `attempt`, `images`, `bytes`, `ms`. Never an MRN, accession number or name.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const NEVER_SHOWN = [
  'password',
  'token',
  'mrn',
  'patientId',
  'accession_number',
  'accessionNumber',
  'study_uid',
  'studyInstanceUid',
  'series_uid',
  'seriesInstanceUids',
  'body',
];

/**
 * JSON lines, one per event.
 *
 * @param destination where to; default standard error, so that results on standard output stay clean.
 */
export function createLogger(options: { level: LogLevel; destination?: DestinationStream }): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // A last line of defence: nothing in the code logs these.
      redact: { paths: NEVER_SHOWN.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
      // pino would write the text and stack of any error; those of others may quote data.
      serializers: { err: describeIfError, error: describeIfError },
    },
    options.destination ?? standardError(),
  );
}

/** Kept until there is room again; what is more is dropped. */
const MOST_UNWRITTEN = 4 * 1024 * 1024;

/** A full disk under the log is no reason to end the service, which the error would, were it nobody's. */
function standardError(): DestinationStream {
  const destination = pino.destination({ fd: 2, sync: true, maxLength: MOST_UNWRITTEN });
  destination.on('error', () => undefined);
  return destination;
}

/** Says nothing; for tests and for callers that want no log. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Turns a UID into the name under which logs, metrics and `status` speak of it. */
export type IdentifierNames = (uid: string) => string;

/** The first 12 hex digits of the UID's SHA-256: the same study has the same name in every log. */
export const hashedNames: IdentifierNames = (uid) =>
  createHash('sha256').update(uid).digest('hex').slice(0, 12);

/** The UID itself; only with `PIXL_LOG_IDENTIFIERS=plain`. */
export const plainNames: IdentifierNames = (uid) => uid;

function describeIfError(value: unknown): unknown {
  return value instanceof Error ? describeError(value) : value;
}

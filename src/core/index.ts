/** The public door of core: what the other parts, and other services, build on. */
export {
  Breaker,
  CongestionControl,
  systemClock,
  type ArchiveAnswer,
  type BreakerOptions,
  type BreakerState,
  type Clock,
  type CongestionOptions,
  type CongestionState,
  type Turn,
} from './breaker.js';
export { Closers } from './closers.js';
export * from './config/index.js';
export type { Delivery, Disposition, Handler } from './delivery.js';
export {
  assertNever,
  CancelledError,
  codeOf,
  describeError,
  InternalError,
  InvalidValueError,
  PixlError,
  retryOf,
  TimeoutError,
  type Retry,
} from './errors.js';
export * from './exports/index.js';
export { isOpen, nextChange, parseAllowedHours, type AllowedHours } from './hours.js';
export {
  accessionNumber,
  aeTitle,
  canBePassedOn,
  isUid,
  patientId,
  seriesInstanceUid,
  sopInstanceUid,
  studyInstanceUid,
  type AccessionNumber,
  type AeTitle,
  type PatientId,
  type SeriesInstanceUid,
  type SopInstanceUid,
  type StudyInstanceUid,
} from './ids.js';
export {
  createLogger,
  hashedNames,
  plainNames,
  silentLogger,
  type IdentifierNames,
  type Logger,
  type LogLevel,
} from './log.js';
export {
  encodeImagingMessage,
  MAX_MESSAGE_BYTES,
  MAX_PROJECT_NAME_LENGTH,
  MAX_SERIES_PER_MESSAGE,
  MessageRejectedError,
  parseImagingMessage,
  parseImagingMessageFields,
  type ImagingMessage,
  type MessageFault,
} from './message.js';
export type {
  ArchiveName,
  Outcome,
  OutcomeEntry,
  OutcomeKind,
  OutcomeRecorder,
  StudyReport,
} from './outcome.js';
export type { Timestamp } from './timestamp.js';
export { noMetrics, type DimseOperation, type Metrics } from './metrics.js';
export * from './rate-limiter/index.js';

export { ArchiveDuty, type Admission, type DutyOptions } from './archive-duty.js';
export { estimateCohort, type Estimate, type EstimateParts } from './estimate-cohort.js';
export { exportStudy, type ExportedStudy, type ExportParts, type ExportRequest } from './export-study.js';
export { findStudy } from './find-study.js';
export { imagingHandler } from './imaging-handler.js';
export { KeyedLock } from './keyed-lock.js';
export { RunningStudies } from './running-studies.js';
export type {
  Archive,
  JourneyObserver,
  JourneyParts,
  JourneySettings,
  Progress,
  RetrieveLevel,
  Step,
} from './parts.js';
export { processMessage } from './process-message.js';
export { logRecorder, metricsRecorder, recordInTurn } from './record-outcome.js';
export { listStudy, StudyContents } from './study-contents.js';

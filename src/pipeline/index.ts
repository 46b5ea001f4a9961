export { ArchiveDuty, type Admission, type DutyOptions } from './duty/archive-duty.js';
export { estimateCohort, type Estimate, type EstimateParts } from './estimate-cohort.js';
export {
  exportStudy,
  type ExportedStudy,
  type ExportParts,
  type ExportRequest,
} from './export/export-study.js';
export { ExportDuty } from './export/export-duty.js';
export { exportHandler } from './export/export-handler.js';
export { findStudy } from './journey/find.js';
export { imagingHandler } from './journey/handler.js';
export { StoreDuty, type StoreDutyOptions } from './duty/store-duty.js';
export { BY_IMAGES, type Asking, type RetrieveLevel } from './journey/asking.js';
export { KeyedLock } from './keyed-lock.js';
export { RunningStudies } from './journey/running-studies.js';
export type {
  Archive,
  JourneyObserver,
  JourneyParts,
  JourneySettings,
  Progress,
  Step,
} from './journey/parts.js';
export { processMessage } from './journey/process-message.js';
export { logRecorder, metricsRecorder, recordInTurn } from './journey/record.js';
export { listStudy, StudyContents } from './study-contents.js';

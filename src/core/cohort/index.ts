/** Cohorts: OMOP extracts and CSVs, read as streams. */
export type { CohortMessage } from './cohort-message.js';
export { readCohort, type Cohort, type CohortCounts, type ReadCohortOptions } from './cohort.js';
export { badRowText, CohortFileError, CohortRowsError, type BadRow, type RowPlace } from './errors.js';
export { readExtractSummary, type ExtractSummary } from './omop-source.js';
export {
  populateCohort,
  type PopulateOptions,
  type PopulateResult,
  type PopulateRetries,
} from './populate.js';
export { PopulateRunningError } from './populate-lock.js';

/** Cohorts: OMOP extracts and CSVs, read as streams. */
export type { CohortMessage } from './cohort-message.js';
export { readCohort, type Cohort, type CohortCounts, type ReadCohortOptions } from './cohort.js';
export { protectedCell } from './cells.js';
export {
  badRowText,
  CohortFileError,
  CohortRowsError,
  MOST_NAMED_ROWS,
  type BadRow,
  type RowPlace,
  type RowRemark,
} from './errors.js';
export { readExtractSummary, type ExtractSummary } from './omop-source.js';
export {
  populateCohort,
  type Counted,
  type PopulateOptions,
  type PopulateResult,
  type PopulateRetries,
} from './populate.js';
export { PopulateRunningError } from './populate-lock.js';

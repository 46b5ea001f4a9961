/** Cohorts: OMOP extracts and CSVs, read as streams. */
export {
  readCohort,
  type Cohort,
  type CohortCounts,
  type CohortMessage,
  type ReadCohortOptions,
} from './cohort.js';
export { badRowText, CohortFileError, CohortRowsError, type BadRow, type RowPlace } from './errors.js';
export { readExtractSummary, type ExtractSummary } from './omop-source.js';
export { countExported, populateCohort, type PopulateOptions, type PopulateResult } from './populate.js';

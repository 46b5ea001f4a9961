export { faultText, ProjectFileError, type FileFault } from './errors.js';
export type { DeidentifySection } from './deidentify-section.js';
export {
  loadProject,
  type AllowedManufacturer,
  type DicomDestination,
  type ParquetDestination,
  type Project,
} from './project.js';
export { basicDeidentifier, projectDeidentifier, type ProjectDeidentifier } from './project-deidentifier.js';
export { judgeSeries, type SeriesFacts, type SeriesRules, type SeriesVerdict } from './series-rules.js';

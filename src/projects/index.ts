export { faultText, ProjectFileError, type FileFault } from './errors.js';
export {
  loadProject,
  type AllowedManufacturer,
  type DicomDestination,
  type ParquetDestination,
  type Project,
} from './project.js';

/** Exports: the folder of exports, parquet, the data safe haven. */
export type { Sent } from './ftps-transfer.js';
export { ExportFilesError, ExportRowError, ExtractNotFoundError } from './export-errors.js';
export { type FolderFile } from './folder-files.js';
export { ParquetExport, RADIOLOGY_COLUMNS, type CopyResult } from './parquet-export.js';
export { writeParquet, type ParquetColumn, type ParquetRecord } from './parquet-file.js';
export type { ParquetType, ParquetValue } from './parquet-values.js';
export { LINKER_COLUMNS, type LinkerCounts } from './radiology-linker.js';
export {
  AlreadyExportedError,
  ExportIncompleteError,
  FtpsConnectionError,
  FtpsLoginError,
  FtpsReplyError,
  FtpsSizeError,
  FtpsStorageFullError,
  FtpsTlsError,
  NotAllAnonymisedError,
  NotAnonymisedError,
  NotDeidentifiedError,
  NotInProjectError,
  type FtpsTlsProblem,
  type IdentityDoubt,
} from './errors.js';
export {
  checkSafeHaven,
  ftpsPeer,
  withSafeHaven,
  type FtpsSettings,
  type SafeHaven,
  type SafeHavenOptions,
} from './ftps.js';
export type { Identifies } from './named-studies.js';
export type { UploadedFile, UploadProgress, UploadResult } from './upload-extract.js';
export { remotePath, type RemotePath } from './remote-path.js';
export { zipStream, type ZipEntries, type ZipStream } from './zip-stream.js';

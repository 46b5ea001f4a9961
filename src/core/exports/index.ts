/** Exports: the folder of exports, parquet, the data safe haven. */
export { ExportFilesError, ExportRowError } from './export-errors.js';
export { type FolderFile } from './folder-files.js';
export { ParquetExport, RADIOLOGY_COLUMNS, type CopyResult } from './parquet-export.js';
export { writeParquet, type ParquetColumn, type ParquetRecord } from './parquet-file.js';
export type { ParquetType, ParquetValue } from './parquet-values.js';
export { LINKER_COLUMNS, type LinkerCounts } from './radiology-linker.js';

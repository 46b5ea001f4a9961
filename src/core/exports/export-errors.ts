import { PixlError } from '../errors.js';

/** A row can't be written into a parquet file. The value itself is not in the text. */
export class ExportRowError extends PixlError {
  readonly code = 'EXPORT_ROW';
  readonly retry = 'never';
  /** Counted from 1. */
  readonly row: number;
  readonly column: string;
  readonly problem: string;

  constructor(row: number, column: string, problem: string) {
    super(`row ${row}, column ${column}: ${problem}`);
    this.row = row;
    this.column = column;
    this.problem = problem;
  }
}

/** The exports hold nothing of an extract. */
export class ExtractNotFoundError extends PixlError {
  readonly code = 'EXTRACT_NOT_FOUND';
  readonly retry = 'never';

  constructor(path: string, cause?: unknown) {
    super(`${path}: there is no such extract in the exports`, { cause });
  }
}

/** Files of an extract are missing, or are none that may be exported. Paths are relative to the extract. */
export class ExportFilesError extends PixlError {
  readonly code = 'EXPORT_FILES';
  readonly retry = 'never';
  readonly path: string;
  readonly problem: string;

  constructor(path: string, problem: string, cause?: unknown) {
    super(`${path}: ${problem}`, { cause });
    this.path = path;
    this.problem = problem;
  }
}

import { PixlError } from '../errors.js';

/** Where in a cohort something is: never what is there. */
export interface RowPlace {
  /** Relative to the cohort's folder, or the CSV's name. */
  readonly file: string;
  /** A CSV has lines, counted from 1 with the heading; a parquet file has rows, counted from 1. */
  readonly unit: 'line' | 'row';
  readonly number: number;
}

/** A row that no message can be made of. */
export interface BadRow extends RowPlace {
  /** null when it is the row as a whole. */
  readonly column: string | null;
  readonly problem: string;
}

/** A cohort can't be read at all: a file is missing, is of another form, lacks a column. */
export class CohortFileError extends PixlError {
  readonly code = 'COHORT_FILE';
  readonly retry = 'never';
  readonly file: string;
  readonly problem: string;

  constructor(file: string, problem: string, cause?: unknown) {
    super(`${file}: ${problem}`, { cause });
    this.file = file;
    this.problem = problem;
  }
}

/** Enough to mend by; a file of another kind would fill the screen. */
export const MOST_NAMED_ROWS = 10;

/** What became of a row of which no message was made, and why: all that is wrong with it. */
export interface RowRemark {
  /**
   * `bad`: it can't be read. `left out`: there is nothing to ask by. `opted out`: its patient is on the list.
   * `duplicate`: an earlier row asks for the same.
   */
  readonly kind: 'bad' | 'left out' | 'opted out' | 'duplicate';
  readonly reasons: readonly BadRow[];
}

/** Rows of the cohort are bad, and so nothing of it was used. */
export class CohortRowsError extends PixlError {
  readonly code = 'COHORT_ROWS';
  readonly retry = 'never';
  /** The first of them. */
  readonly badRows: readonly BadRow[];
  readonly count: number;

  /** @param damaged how many of the rows a spreadsheet has damaged */
  constructor(badRows: readonly BadRow[], count: number, damaged = 0) {
    const rows = new Set(badRows.map(({ file, number }) => `${number} ${file}`)).size;
    const more = count > rows ? `\n  and ${count - rows} more` : '';
    const named = badRows.map((row) => `\n  ${badRowText(row)}`).join('');
    const accept =
      damaged === 0
        ? ''
        : `, --accept-spreadsheet-numbers takes the ${damaged} that a spreadsheet seems to have changed as they stand`;
    super(`the cohort has ${count} bad rows; --skip-bad-rows goes on without them${accept}${named}${more}`);
    this.badRows = badRows;
    this.count = count;
  }
}

/** `cohort.csv, line 3, column mrn: empty` */
export function badRowText({ file, unit, number, column, problem }: BadRow): string {
  return `${file}, ${unit} ${number}${column === null ? '' : `, column ${column}`}: ${problem}`;
}

import { isUtf8 } from 'node:buffer';
import { open, type FileHandle } from 'node:fs/promises';
import { isCalendarDate, formatDate, parseIsoDate } from '../timestamp.js';
import { CohortFileError } from './errors.js';
import { ColumnChunk } from './parquet/column-chunk.js';
import { ParquetError } from './parquet/errors.js';
import { columnsOf, NULLS_ALONE, readFooter, structures, type FlatColumn } from './parquet/metadata.js';
import type { Value } from './parquet/values.js';

/** What a column must hold. `date`: a date, a timestamp (its day in UTC), or ISO text. */
export type ColumnKind = 'integer' | 'text' | 'date';

export interface WantedColumn {
  readonly name: string;
  readonly kind: ColumnKind;
}

/** A value that is not what its column holds elsewhere. */
export class BadCell {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

/** Dates are `YYYY-MM-DD`. */
export type Cell = string | number | null | BadCell;

export interface ParquetRow {
  /** In its file, from 1. */
  readonly number: number;
  /** In the order of the wanted columns. */
  readonly cells: readonly Cell[];
}

const PORTION = 1_000;
/** No field of a message is as long. A dictionary may have one text of 100 MB, and a thousand rows refer to it. */
const MAX_TEXT = 64 * 1024;

/**
 * Reads some columns of a parquet file, as a stream: in memory is one page of each of them, however many rows a writer
 * puts into a row group.
 *
 * @param file what errors call it
 * @throws CohortFileError while it is read
 */
export async function* parquetRows(
  path: string,
  file: string,
  wanted: readonly WantedColumn[],
): AsyncGenerator<readonly ParquetRow[], void, undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    yield* rowsOf(handle, file, wanted);
  } catch (error) {
    throw toCohortFileError(file, error);
  } finally {
    await handle?.close();
  }
}

async function* rowsOf(
  handle: FileHandle,
  file: string,
  wanted: readonly WantedColumn[],
): AsyncGenerator<readonly ParquetRow[], void, undefined> {
  const format = await structures();
  const footer = await readFooter(handle, format);
  const there = columnsOf(footer, format);
  const columns = wanted.map((one) => ({ ...one, column: usableColumn(there, one, file) }));
  let before = 0;
  for (const rowGroup of footer.row_groups) {
    const cells = columns.map(({ name, kind, column }): CellReader => {
      const metadata = rowGroup.columns.find(
        ({ meta_data }) => meta_data?.path_in_schema.length === 1 && meta_data.path_in_schema[0] === name,
      )?.meta_data;
      if (metadata === undefined) throw new CohortFileError(file, `a row group lacks the column ${name}`);
      return { chunk: new ColumnChunk(handle, format, column, metadata), cellOf: CELLS[kind](column) };
    });
    const count = Number(rowGroup.num_rows);
    for (let start = 0; start < count; start += PORTION)
      yield await portionOf(cells, before + start, Math.min(PORTION, count - start));
    before += count;
  }
}

interface CellReader {
  readonly chunk: ColumnChunk;
  readonly cellOf: (value: Value) => Cell;
}

async function portionOf(
  columns: readonly CellReader[],
  before: number,
  count: number,
): Promise<ParquetRow[]> {
  const rows: ParquetRow[] = [];
  for (let index = 1; index <= count; index += 1) {
    const cells: Cell[] = [];
    for (const { chunk, cellOf } of columns) {
      if (chunk.isPageEmpty) await chunk.readPage();
      const value = chunk.take();
      cells.push(value === null ? null : cellOf(value));
    }
    rows.push({ number: before + index, cells });
  }
  return rows;
}

/** @throws CohortFileError when it is not there, or holds something else */
function usableColumn(
  columns: ReadonlyMap<string, FlatColumn | null>,
  { name, kind }: WantedColumn,
  file: string,
): FlatColumn {
  const column = columns.get(name);
  if (column === undefined) throw new CohortFileError(file, `the column ${name} is missing`);
  if (column === null || !(TYPES[kind].includes(column.meaning) || column.meaning === NULLS_ALONE))
    throw new CohortFileError(
      file,
      `the column ${name} holds ${column === null ? 'lists or groups' : column.meaning} where ${EXPECTED[kind]} is expected`,
    );
  return column;
}

const TYPES: Readonly<Record<ColumnKind, readonly string[]>> = {
  integer: [
    'INT32',
    'INT64',
    'INT_8',
    'INT_16',
    'INT_32',
    'INT_64',
    'UINT_8',
    'UINT_16',
    'UINT_32',
    'UINT_64',
    'DOUBLE',
  ],
  text: ['UTF8'],
  date: ['DATE', 'TIMESTAMP_MILLIS', 'TIMESTAMP_MICROS', 'TIMESTAMP_NANOS', 'UTF8'],
};

const EXPECTED: Readonly<Record<ColumnKind, string>> = {
  integer: 'an integer',
  text: 'text (UTF8)',
  date: 'a date',
};

/** How the values of a column become cells; nulls never come here. */
const CELLS: Readonly<Record<ColumnKind, (column: FlatColumn) => (value: Value) => Cell>> = {
  integer: ({ meaning }) => (meaning.startsWith('UINT_') ? unsignedCell : integerCell),
  text: () => textCell,
  date: ({ meaning }) => {
    const unitsPerDay = UNITS_PER_DAY[meaning];
    return unitsPerDay === undefined ? isoDateCell : (value) => dateCell(value, unitsPerDay);
  },
};

const UNITS_PER_DAY: Readonly<Record<string, bigint>> = {
  DATE: 1n,
  TIMESTAMP_MILLIS: 86_400_000n,
  TIMESTAMP_MICROS: 86_400_000_000n,
  TIMESTAMP_NANOS: 86_400_000_000_000n,
};

/** Number() of an INT64 beyond 2^53 is no safe integer either. */
function integerCell(value: Value): Cell {
  // A file may call bytes an integer, and they may be many.
  const number = Buffer.isBuffer(value) ? NaN : Number(value);
  return Number.isSafeInteger(number) ? number : new BadCell('not an integer below 2^53');
}

/** The file has it in a type with a sign. */
function unsignedCell(value: Value): Cell {
  if (typeof value === 'bigint') return integerCell(BigInt.asUintN(64, value));
  return integerCell(typeof value === 'number' ? value >>> 0 : value);
}

function textCell(value: Value): string | BadCell {
  if (Buffer.isBuffer(value) && value.length > MAX_TEXT) return new BadCell(`longer than ${MAX_TEXT} bytes`);
  return Buffer.isBuffer(value) && isUtf8(value) ? value.toString('utf8') : new BadCell('not UTF-8');
}

function isoDateCell(value: Value): Cell {
  const text = textCell(value);
  if (text instanceof BadCell) return text;
  const date = parseIsoDate(text.trim());
  return date === undefined ? new BadCell('not a date (YYYY-MM-DD)') : formatDate(date);
}

/** The day since 1970 that the moment is in, also before 1970. */
function dateCell(value: Value, unitsPerDay: bigint): Cell {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return new BadCell('not a date');
  const units = typeof value === 'bigint' ? value : BigInt(Number(value));
  const rest = units % unitsPerDay;
  const days = (units - (rest < 0n ? rest + unitsPerDay : rest)) / unitsPerDay;
  const at = new Date(Number(days) * 86_400_000);
  const date = { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
  return isCalendarDate(date) ? formatDate(date) : new BadCell('not a date of the years 1 to 9999');
}

/** What the format's code throws may quote the file; ours and what the system says is told. */
function toCohortFileError(file: string, error: unknown): CohortFileError {
  if (error instanceof CohortFileError) return error;
  if (error instanceof ParquetError) return new CohortFileError(file, error.message, error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new CohortFileError(file, 'there is no such file', error);
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code))
    return new CohortFileError(file, `can't be read (${code})`, error);
  return new CohortFileError(file, 'not a parquet file that can be read', error);
}

import { isUtf8 } from 'node:buffer';
import { open, type FileHandle } from 'node:fs/promises';
import { isCalendarDate, formatDate, parseIsoDate } from '../timestamp.js';
import { CohortFileError } from './errors.js';
import { ColumnChunk } from './parquet/column-chunk.js';
import { ParquetError } from './parquet/errors.js';
import { columnsOf, readFooter, structures, type FlatColumn } from './parquet/metadata.js';
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

/**
 * The columns of a parquet file, by name.
 *
 * @param file what errors call it
 * @throws CohortFileError
 */
export async function parquetColumns(path: string, file: string): Promise<readonly string[]> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const format = await structures();
    return [...columnsOf(await readFooter(handle, format), format).keys()];
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
      const cellOf = cellReader({ name, kind }, column, file);
      return { chunk: new ColumnChunk(handle, format, column, metadata), cellOf };
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

/** @throws CohortFileError when it is not there, or is no column of values */
function usableColumn(
  columns: ReadonlyMap<string, FlatColumn | null>,
  { name, kind }: WantedColumn,
  file: string,
): FlatColumn {
  const column = columns.get(name);
  if (column === undefined) throw new CohortFileError(file, `the column ${name} is missing`);
  if (column === null)
    throw new CohortFileError(
      file,
      `the column ${name} holds lists or groups where ${EXPECTED[kind]} is expected`,
    );
  return column;
}

/**
 * How the values of a column become cells; nulls never come here.
 *
 * @throws CohortFileError at the first value of a type that does not fit. A column without any may be of any type: writers that
 * have seen no value take what they like.
 */
function cellReader({ name, kind }: WantedColumn, column: FlatColumn, file: string): (value: Value) => Cell {
  return (
    CELLS[kind](column) ??
    (() => {
      throw new CohortFileError(
        file,
        `the column ${name} holds ${column.meaning} where ${EXPECTED[kind]} is expected`,
      );
    })
  );
}

const EXPECTED: Readonly<Record<ColumnKind, string>> = {
  integer: 'an integer',
  text: 'text (UTF8)',
  date: 'a date',
};

/** Texts without the mark of being some are what old Impala, Hive and others write. */
const TEXTS: readonly string[] = ['UTF8', 'BYTE_ARRAY', 'FIXED_LEN_BYTE_ARRAY', 'ENUM', 'JSON'];
const INTEGERS: readonly string[] = [
  ...['INT32', 'INT64', 'INT_8', 'INT_16', 'INT_32', 'INT_64', 'FLOAT', 'DOUBLE'],
];

/** undefined = the column's type does not fit. */
const CELLS: Readonly<Record<ColumnKind, (column: FlatColumn) => ((value: Value) => Cell) | undefined>> = {
  integer: ({ meaning, scale }) => {
    if (meaning.startsWith('UINT_')) return unsignedCell;
    if (INTEGERS.includes(meaning)) return integerCell;
    if (TEXTS.includes(meaning)) return digitsCell;
    return meaning === 'DECIMAL' ? (value) => decimalCell(value, scale) : undefined;
  },
  text: ({ meaning }) => (TEXTS.includes(meaning) ? textCell : undefined),
  date: ({ meaning }) => {
    if (TEXTS.includes(meaning)) return isoDateCell;
    if (meaning === 'INT96') return int96DateCell;
    const unitsPerDay = UNITS_PER_DAY[meaning];
    return unitsPerDay === undefined ? undefined : (value) => dateCell(value, unitsPerDay);
  },
};

const NANOSECONDS_PER_DAY = 86_400_000_000_000n;

const UNITS_PER_DAY: Readonly<Record<string, bigint>> = {
  DATE: 1n,
  TIMESTAMP_MILLIS: 86_400_000n,
  TIMESTAMP_MICROS: 86_400_000_000n,
  TIMESTAMP_NANOS: NANOSECONDS_PER_DAY,
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

/** An integer as a text: what databases without a type for it export. */
function digitsCell(value: Value): Cell {
  const text = textCell(value);
  if (text instanceof BadCell) return text;
  return /^\s*-?\d+(\.0+)?\s*$/.test(text)
    ? integerCell(Number(text))
    : new BadCell('not an integer below 2^53');
}

/** As Oracle and Snowflake export an integer. In bytes it is big-endian, in two's complement. */
function decimalCell(value: Value, scale: number): Cell {
  let unscaled: bigint;
  if (!Buffer.isBuffer(value)) unscaled = BigInt(value);
  else if (value.length > MAX_DECIMAL) return new BadCell('not an integer below 2^53');
  else unscaled = BigInt.asIntN(value.length * 8, BigInt(`0x0${value.toString('hex')}`));
  const unit = 10n ** BigInt(scale);
  return unscaled % unit === 0n ? integerCell(unscaled / unit) : new BadCell('not an integer below 2^53');
}

/** Bytes of 76 digits, more than any writer's. */
const MAX_DECIMAL = 32;

function textCell(value: Value): string | BadCell {
  if (!Buffer.isBuffer(value)) return new BadCell('not UTF-8');
  if (value.length > MAX_TEXT) return new BadCell(`longer than ${MAX_TEXT} bytes`);
  return isUtf8(value) ? value.toString('utf8') : new BadCell('not UTF-8');
}

function isoDateCell(value: Value): Cell {
  const text = textCell(value);
  if (text instanceof BadCell) return text;
  const date = parseIsoDate(DAY.exec(text.trim())?.[1] ?? '');
  return date === undefined ? new BadCell('not a date (YYYY-MM-DD)') : formatDate(date);
}

/** Of a date-time the date. */
const DAY = /^(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:.*)?$/;

/** The Julian day of 1970-01-01. */
const JULIAN_1970 = 2_440_588;

/** As Impala and old Spark write a moment: nanoseconds of the day, and a Julian day that begins at midnight. */
function int96DateCell(value: Value): Cell {
  if (!Buffer.isBuffer(value) || value.length !== 12) return new BadCell('not a date');
  const days = BigInt(value.readInt32LE(8) - JULIAN_1970);
  return dateCell(days * NANOSECONDS_PER_DAY + value.readBigInt64LE(0), NANOSECONDS_PER_DAY);
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

import type * as Main from '@dsnp/parquetjs';
import type * as Declare from '@dsnp/parquetjs/dist/lib/declare.js';
import type { ParquetField } from '@dsnp/parquetjs/dist/lib/declare.js';
import type * as Util from '@dsnp/parquetjs/dist/lib/util.js';
import { isUtf8 } from 'node:buffer';
import { open, type FileHandle } from 'node:fs/promises';
import { isCalendarDate, formatDate, parseIsoDate } from '../timestamp.js';
import { CohortFileError } from './errors.js';

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
const FIRST_HEADER_READ = 8 * 1024;
/** A header holds two values of the column besides numbers. */
const MAX_HEADER = 1024 * 1024;
/** Writers make pages of one MiB; DuckDB of up to 100 MB. */
const MAX_PAGE = 128 * 1024 * 1024;

type Library = typeof Main & { readonly util: typeof Util; readonly declare: typeof Declare };
type Reader = Awaited<ReturnType<Library['ParquetReader']['openFile']>>;
type Metadata = NonNullable<Reader['metadata']>;
type ColumnMetadata = NonNullable<Metadata['row_groups'][number]['columns'][number]['meta_data']>;
type DecodeOptions = Parameters<Reader['decodePages']>[1];

/**
 * Reads some columns of a parquet file, page by page: parquetjs' own cursor makes an object of every row of a row group
 * at once, and pyarrow writes a million rows into one.
 *
 * @param file what errors call it
 * @throws CohortFileError while it is read
 */
export async function* parquetRows(
  path: string,
  file: string,
  wanted: readonly WantedColumn[],
): AsyncGenerator<readonly ParquetRow[], void, undefined> {
  const library = await parquetjs();
  let handle: FileHandle | undefined;
  let reader: Reader | undefined;
  try {
    handle = await open(path, 'r');
    reader = await library.ParquetReader.openFile(path, OPEN_OPTIONS);
    const fields = wanted.map((column) => fieldOf(reader as Reader, column, file));
    let before = 0;
    for (const rowGroup of reader.metadata?.row_groups ?? []) {
      const columns = fields.map((field, index) => {
        const metadata = rowGroup.columns.find(
          (chunk) => chunk.meta_data?.path_in_schema.join('.') === field.name,
        )?.meta_data;
        if (metadata === undefined)
          throw new CohortFileError(file, `a row group lacks the column ${field.name}`);
        const kind = wanted[index]?.kind ?? 'text';
        return new Column(library, reader as Reader, handle as FileHandle, metadata, field, kind);
      });
      const count = Number(rowGroup.num_rows);
      for (let start = 0; start < count; start += PORTION) {
        const rows = await portionOf(columns, before + start, Math.min(PORTION, count - start));
        yield rows;
      }
      before += count;
    }
  } catch (error) {
    throw toCohortFileError(file, error);
  } finally {
    await reader?.close();
    await handle?.close();
  }
}

/** parquetjs reads the statistics of columns wrongly that we do not want; the option is missing in its types. */
const OPEN_OPTIONS = { rawStatistics: true } as object;

let loaded: Promise<Library> | undefined;

/** Loaded when it is needed: it brings an S3 client with it that nobody uses. */
function parquetjs(): Promise<Library> {
  loaded ??= Promise.all([
    import('@dsnp/parquetjs'),
    import('@dsnp/parquetjs/dist/lib/util.js'),
    import('@dsnp/parquetjs/dist/lib/declare.js'),
  ]).then(([main, util, declare]) => ({ ...main, util, declare }));
  return loaded;
}

async function portionOf(columns: readonly Column[], before: number, count: number): Promise<ParquetRow[]> {
  const rows: ParquetRow[] = [];
  for (let index = 1; index <= count; index += 1) {
    const cells: Cell[] = [];
    for (const column of columns) {
      if (column.isEmpty) await column.fill();
      cells.push(column.take());
    }
    rows.push({ number: before + index, cells });
  }
  return rows;
}

/** One column of one row group. */
class Column {
  readonly #library: Library;
  readonly #reader: Reader;
  readonly #handle: FileHandle;
  readonly #options: DecodeOptions;
  readonly #cellOf: (value: unknown) => Cell;
  readonly #maxLevel: number;
  readonly #end: number;
  #offset: number;
  #page: PageCells = NO_CELLS;
  #next = 0;

  constructor(
    library: Library,
    reader: Reader,
    handle: FileHandle,
    metadata: ColumnMetadata,
    field: ParquetField,
    kind: ColumnKind,
  ) {
    this.#library = library;
    this.#reader = reader;
    this.#handle = handle;
    this.#maxLevel = field.dLevelMax;
    this.#cellOf = CELLS[kind](field);
    // One page at a time: it stops when it has this many values.
    this.#options = {
      type: field.primitiveType,
      rLevelMax: field.rLevelMax,
      dLevelMax: field.dLevelMax,
      compression: codecOf(metadata.codec),
      column: field,
      num_values: 1,
      rawStatistics: true,
    } as unknown as DecodeOptions;
    const dictionary = Number(metadata.dictionary_page_offset ?? 0);
    const data = Number(metadata.data_page_offset);
    this.#offset = dictionary > 0 ? Math.min(dictionary, data) : data;
    this.#end = this.#offset + Number(metadata.total_compressed_size);
  }

  get isEmpty(): boolean {
    return this.#next >= this.#page.count;
  }

  take(): Cell {
    const cell = this.#page.cell(this.#next);
    this.#next += 1;
    return cell;
  }

  /** Reads on until there is a value to take. */
  async fill(): Promise<void> {
    this.#page = NO_CELLS;
    this.#next = 0;
    while (this.isEmpty) {
      const { values = [], dlevels = [] } = await this.#reader.decodePages(
        await this.#readPage(),
        this.#options,
      );
      this.#page = pageCells(values, dlevels, this.#maxLevel, this.#cellOf);
    }
  }

  async #readPage(): Promise<Buffer> {
    for (let size = FIRST_HEADER_READ; ; size *= 2) {
      const start = await this.#read(Math.min(size, this.#end - this.#offset));
      const header = new this.#library.declare.NewPageHeader();
      let headerSize: number;
      try {
        headerSize = this.#library.util.decodeThrift(header, start);
      } catch (error) {
        if (size >= MAX_HEADER || start.length < size) throw error;
        continue;
      }
      const { compressed_page_size: length, uncompressed_page_size: inflated } = header;
      if (!(length >= 0 && length <= MAX_PAGE && inflated <= MAX_PAGE))
        throw new PageError('a page is too large');
      const whole = headerSize + length;
      const page = whole <= start.length ? start.subarray(0, whole) : await this.#read(whole);
      this.#offset += whole;
      return page;
    }
  }

  async #read(length: number): Promise<Buffer> {
    if (length <= 0 || this.#offset + length > this.#end) throw new PageError('a column ends too early');
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.#handle.read(buffer, 0, length, this.#offset);
    if (bytesRead < length) throw new PageError('the file ends too early');
    return buffer;
  }
}

interface PageCells {
  readonly count: number;
  cell(index: number): Cell;
}

const NO_CELLS: PageCells = { count: 0, cell: () => null };

/**
 * The cells of a page in few bytes: DuckDB puts a whole row group into one page, and an object for each value of each
 * column, as parquetjs decodes them, would be hundreds of MiB.
 */
function pageCells(
  values: readonly unknown[],
  levels: readonly number[],
  maxLevel: number,
  cellOf: (value: unknown) => Cell,
): PageCells {
  const places = new Int32Array(levels.length);
  let present = 0;
  for (const [index, level] of levels.entries()) {
    places[index] = level === maxLevel ? present : -1;
    if (level === maxLevel) present += 1;
  }
  const valueAt = Buffer.isBuffer(values[0])
    ? packedTexts(values as readonly Buffer[])
    : packedNumbers(values);
  return {
    count: levels.length,
    cell: (index) => {
      const place = places[index] ?? -1;
      return place < 0 ? null : cellOf(valueAt(place));
    },
  };
}

function packedTexts(values: readonly Buffer[]): (place: number) => Buffer {
  const ends = new Uint32Array(values.length);
  let length = 0;
  for (const [index, value] of values.entries()) ends[index] = length += value.length;
  const bytes = Buffer.allocUnsafe(length);
  let end = 0;
  for (const value of values) end += value.copy(bytes, end);
  return (place) => bytes.subarray(place === 0 ? 0 : ends[place - 1], ends[place]);
}

/** Number() of an INT64 beyond 2^53 is no safe integer either. */
function packedNumbers(values: readonly unknown[]): (place: number) => number {
  const numbers = Float64Array.from(values, Number);
  return (place) => numbers[place] ?? NaN;
}

/** The file contradicts itself. */
class PageError extends Error {}

function fieldOf(reader: Reader, { name, kind }: WantedColumn, file: string): ParquetField {
  const { fields } = reader.schema;
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (field === undefined) throw new CohortFileError(file, `the column ${name} is missing`);
  const type = typeOf(field);
  if (field.isNested === true || field.rLevelMax > 0 || !TYPES[kind].includes(type))
    throw new CohortFileError(
      file,
      `the column ${name} holds ${field.rLevelMax > 0 ? 'lists' : type} where ${EXPECTED[kind]} is expected`,
    );
  return field;
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
    'DOUBLE',
  ],
  text: ['UTF8'],
  date: ['DATE', 'TIMESTAMP_MILLIS', 'TIMESTAMP_MICROS', 'UTF8'],
};

const EXPECTED: Readonly<Record<ColumnKind, string>> = {
  integer: 'an integer',
  text: 'text (UTF8)',
  date: 'a date',
};

function typeOf(field: ParquetField): string {
  return field.originalType ?? field.primitiveType ?? 'a group of columns';
}

const CODECS = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'LZO', 'BROTLI', 'LZ4', 'ZSTD', 'LZ4_RAW'] as const;
const READ_CODECS: readonly string[] = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI'];

function codecOf(codec: number): string {
  const name = CODECS[codec] ?? `codec ${codec}`;
  if (!READ_CODECS.includes(name))
    throw new PageError(`compressed with ${name}; write it with SNAPPY, GZIP, BROTLI or without compression`);
  return name;
}

const CELLS: Readonly<Record<ColumnKind, (field: ParquetField) => (value: unknown) => Cell>> = {
  integer: () => (value) => {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : new BadCell('not an integer below 2^53');
  },
  text: () => textCell,
  date: (field) => {
    const perDay = { DATE: 1, TIMESTAMP_MILLIS: 86_400_000, TIMESTAMP_MICROS: 86_400_000_000 };
    const type = typeOf(field);
    if (!(type in perDay)) return isoDateCell;
    const units = perDay[type as keyof typeof perDay];
    return (value) => dateCell(Math.floor(Number(value) / units));
  },
};

function textCell(value: unknown): string | BadCell {
  return Buffer.isBuffer(value) && isUtf8(value) ? value.toString('utf8') : new BadCell('not UTF-8');
}

function isoDateCell(value: unknown): Cell {
  const text = textCell(value);
  if (text instanceof BadCell) return text;
  const date = parseIsoDate(text.trim());
  return date === undefined ? new BadCell('not a date (YYYY-MM-DD)') : formatDate(date);
}

function dateCell(days: number): Cell {
  const at = new Date(days * 86_400_000);
  const date = { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
  return isCalendarDate(date) ? formatDate(date) : new BadCell('not a date of the years 1 to 9999');
}

/** parquetjs throws texts; ours and those of the system are told, of others only that there was one. */
function toCohortFileError(file: string, error: unknown): CohortFileError {
  if (error instanceof CohortFileError) return error;
  if (error instanceof PageError) return new CohortFileError(file, error.message, error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new CohortFileError(file, 'there is no such file', error);
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code))
    return new CohortFileError(file, `can't be read (${code})`, error);
  const said = typeof error === 'string' && /^[\w :]{1,60}$/.test(error) ? `: ${error}` : '';
  return new CohortFileError(file, `not a parquet file that can be read${said}`, error);
}

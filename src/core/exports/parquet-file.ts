import type * as Main from '@dsnp/parquetjs';
import type * as Thrift from '@dsnp/parquetjs/dist/gen-nodejs/parquet_types.js';
import type * as Util from '@dsnp/parquetjs/dist/lib/util.js';
import { open, type FileHandle } from 'node:fs/promises';
import { InvalidValueError } from '../errors.js';
import { ExportRowError } from './export-errors.js';
import { physicalValue, type ParquetType, type ParquetValue } from './parquet-values.js';

export interface ParquetColumn {
  readonly name: string;
  readonly type: ParquetType;
  /** Default true. */
  readonly nullable?: boolean;
}

/** A row: the values by the columns' names. One that is not there is null. */
export type ParquetRecord = Readonly<Record<string, ParquetValue>>;

type Library = typeof Main & { readonly thrift: typeof Thrift; readonly util: typeof Util };
type Writer = InstanceType<Library['ParquetWriter']>;

/** What is in memory at once: a row group. Readers do well with large ones. */
const ROWS_PER_GROUP = 50_000;
const BYTES_PER_GROUP = 16 * 1024 * 1024;
/** Rows; a page of texts is not to be much larger than the MiB that other writers make. */
const ROWS_PER_PAGE = 1_000;

/**
 * Writes a new parquet file, a row group at a time, and flushes it to disk.
 *
 * @returns the number of rows
 * @throws InvalidValueError for columns that can't be; ExportRowError for a row that does not fit the columns; the file is then of no use.
 */
export async function writeParquet(
  path: string,
  columns: readonly ParquetColumn[],
  rows: Iterable<ParquetRecord> | AsyncIterable<ParquetRecord>,
): Promise<number> {
  const names = new Set(columns.map(({ name }) => name));
  if (names.size === 0 || names.size < columns.length || names.has(''))
    throw new InvalidValueError('columns', 'none, or without names of their own');
  const library = await parquetjs();
  const handle = await open(path, 'wx');
  try {
    const output = new FileOutput(handle);
    const writer = await library.ParquetWriter.openStream(
      schemaOf(library, columns),
      output as unknown as Util.WriteStreamMinimal,
      WRITER_OPTIONS,
    );
    writeOwnFooter(library, writer, columns);
    const count = await appendAll(writer, columns, rows);
    await writer.close();
    await handle.sync();
    return count;
  } finally {
    await handle.close();
  }
}

async function appendAll(
  writer: Writer,
  columns: readonly ParquetColumn[],
  rows: Iterable<ParquetRecord> | AsyncIterable<ParquetRecord>,
): Promise<number> {
  const names = new Set(columns.map(({ name }) => name));
  let [count, bytes] = [0, 0];
  for await (const row of rows) {
    count += 1;
    const unknown = Object.keys(row).find((name) => !names.has(name));
    if (unknown !== undefined) throw new ExportRowError(count, unknown, 'not among the columns');
    const cells: Record<string, unknown> = {};
    for (const column of columns) {
      const cell = cellOf(column, row[column.name], count);
      cells[column.name] = cell;
      bytes += typeof cell === 'string' ? cell.length : 8;
    }
    const isFull = bytes >= BYTES_PER_GROUP;
    writer.setRowGroupSize(isFull ? 1 : ROWS_PER_GROUP);
    if (isFull) bytes = 0;
    await writer.appendRow(cells);
  }
  return count;
}

function cellOf({ name, type, nullable = true }: ParquetColumn, value: ParquetValue, row: number): unknown {
  if (value === null || value === undefined) {
    if (nullable) return null;
    throw new ExportRowError(row, name, 'null');
  }
  const cell = physicalValue(type, value);
  if (cell === undefined) throw new ExportRowError(row, name, `not a value of type ${type}`);
  return cell;
}

/**
 * Pages of the first version, which every reader knows. No statistics: parquetjs compares texts by UTF-16, readers by
 * bytes, so that a reader that believes them leaves out rows.
 */
const WRITER_OPTIONS = { useDataPageV2: false, pageIndex: false, pageSize: ROWS_PER_PAGE } as const;

/** Only physical types; what they mean is in our own footer. */
const PHYSICAL = {
  int64: 'INT64',
  double: 'DOUBLE',
  string: 'UTF8',
  boolean: 'BOOLEAN',
  date: 'INT32',
  timestamp: 'INT64',
} as const;

function schemaOf(
  library: Library,
  columns: readonly ParquetColumn[],
): InstanceType<Library['ParquetSchema']> {
  return new library.ParquetSchema(
    Object.fromEntries(
      columns.map(({ name, type, nullable = true }) => [
        name,
        { type: PHYSICAL[type], optional: nullable, statistics: false },
      ]),
    ),
  );
}

/**
 * parquetjs writes the old converted types only, by which a timestamp has no zone for DuckDB. The footer is written here,
 * with the logical types as well.
 */
function writeOwnFooter({ thrift, util }: Library, writer: Writer, columns: readonly ParquetColumn[]): void {
  const envelope = writer.envelopeWriter;
  if (envelope === null) return;
  envelope.writeFooter = () => {
    const metadata = new thrift.FileMetaData({
      version: 1,
      schema: [
        new thrift.SchemaElement({ name: 'schema', num_children: columns.length }),
        ...columns.map((column) => schemaElement(thrift, column)),
      ],
      num_rows: envelope.rowCount,
      row_groups: envelope.rowGroups,
      created_by: 'pixl-imaging (parquetjs)',
    });
    const body = util.serializeThrift(metadata);
    const end = Buffer.alloc(8);
    end.writeUInt32LE(body.length);
    end.write('PAR1', 4);
    envelope.writeSection(Buffer.concat([body, end])); // FileOutput.end waits for it
  };
}

function schemaElement(thrift: Library['thrift'], column: ParquetColumn): Thrift.SchemaElement {
  const { Type, ConvertedType, LogicalType, FieldRepetitionType } = thrift;
  const { name, type, nullable = true } = column;
  const meaning = {
    int64: { type: Type.INT64 },
    double: { type: Type.DOUBLE },
    boolean: { type: Type.BOOLEAN },
    string: {
      type: Type.BYTE_ARRAY,
      converted_type: ConvertedType.UTF8,
      logicalType: new LogicalType({ STRING: new thrift.StringType() }),
    },
    date: {
      type: Type.INT32,
      converted_type: ConvertedType.DATE,
      logicalType: new LogicalType({ DATE: new thrift.DateType() }),
    },
    timestamp: {
      type: Type.INT64,
      converted_type: ConvertedType.TIMESTAMP_MICROS,
      logicalType: new LogicalType({
        TIMESTAMP: new thrift.TimestampType({
          isAdjustedToUTC: true,
          unit: new thrift.TimeUnit({ MICROS: new thrift.MicroSeconds() }),
        }),
      }),
    },
  }[type];
  const repetition_type = nullable ? FieldRepetitionType.OPTIONAL : FieldRepetitionType.REQUIRED;
  return new thrift.SchemaElement({ name, repetition_type, ...meaning });
}

/** The file as parquetjs writes to it. It does not look at what becomes of its first write: that is told by the next. */
class FileOutput {
  readonly #handle: FileHandle;
  #last: Promise<void> | undefined;
  #failure: unknown;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  write(bytes: Buffer, done: (error?: unknown) => void): void {
    const isFirst = this.#last === undefined;
    this.#last = (this.#last ?? Promise.resolve())
      .then(async () => {
        if (this.#failure === undefined) await this.#handle.writeFile(bytes);
      })
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .then(() => done(isFirst ? undefined : this.#failure));
  }

  end(done: (error?: unknown) => void): void {
    void (this.#last ?? Promise.resolve()).then(() => done(this.#failure));
  }
}

let loaded: Promise<Library> | undefined;

/** Loaded when it is needed: it brings an S3 client with it that nobody uses. */
function parquetjs(): Promise<Library> {
  loaded ??= Promise.all([
    import('@dsnp/parquetjs'),
    import('@dsnp/parquetjs/dist/gen-nodejs/parquet_types.js'),
    import('@dsnp/parquetjs/dist/lib/util.js'),
  ]).then(([main, thrift, util]) => ({
    ...main,
    // CommonJS whose names Node does not find by reading it.
    thrift: (thrift as unknown as { readonly default: typeof Thrift }).default,
    util,
  }));
  return loaded;
}

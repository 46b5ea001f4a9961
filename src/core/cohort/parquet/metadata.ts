import type * as Types from '@dsnp/parquetjs/dist/gen-nodejs/parquet_types.js';
import type { decodeThrift } from '@dsnp/parquetjs/dist/lib/util.js';
import type { FileHandle } from 'node:fs/promises';
import { ParquetError } from './errors.js';

/** What parquetjs has of the format's own structures; its reader is not used (docs/adr/0008). */
export interface Structures {
  readonly types: typeof Types;
  readonly decode: typeof decodeThrift;
}

let loaded: Promise<Structures> | undefined;

/** Loaded when a cohort has parquet. */
export function structures(): Promise<Structures> {
  loaded ??= Promise.all([
    import('@dsnp/parquetjs/dist/gen-nodejs/parquet_types.js'),
    import('@dsnp/parquetjs/dist/lib/util.js'),
  ]).then(([types, util]) => ({ types: types.default as typeof Types, decode: util.decodeThrift }));
  return loaded;
}

const MAGIC = 'PAR1';
const TRAILER = 8;
/** Some KiB for each row group and column. */
const MAX_FOOTER = 64 * 1024 * 1024;

/** The footer: the schema, and where the columns of each row group are. @throws ParquetError */
export async function readFooter(
  handle: FileHandle,
  { types, decode }: Structures,
): Promise<Types.FileMetaData> {
  const { size } = await handle.stat();
  const trailer = await readBytes(handle, size - TRAILER, TRAILER);
  if (trailer.toString('latin1', 4) !== MAGIC) throw new ParquetError('not a parquet file');
  const length = trailer.readUInt32LE();
  if (length > MAX_FOOTER) throw new ParquetError('a footer that is too large');
  const footer = new types.FileMetaData();
  decode(footer, await readBytes(handle, size - TRAILER - length, length));
  return footer;
}

/** @throws ParquetError when the file has not so much */
export async function readBytes(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  if (position < 0) throw new ParquetError('the file is too short');
  const buffer = Buffer.allocUnsafe(length);
  for (let read = 0; read < length;) {
    const { bytesRead } = await handle.read(buffer, read, length - read, position + read);
    if (bytesRead === 0) throw new ParquetError('the file ends too early');
    read += bytesRead;
  }
  return buffer;
}

/** A column that is neither a group nor a list. */
export interface FlatColumn {
  readonly physical: string;
  /** What its values mean: a converted or logical type of the format, else the physical one. */
  readonly meaning: string;
  readonly isOptional: boolean;
  /** Bytes of a FIXED_LEN_BYTE_ARRAY. */
  readonly length: number;
  /** Of a DECIMAL: how many of its digits are behind the point. */
  readonly scale: number;
}

/** The columns of the schema's first level; null = a group of columns, or a list. */
export function columnsOf(
  { schema }: Types.FileMetaData,
  { types }: Structures,
): Map<string, FlatColumn | null> {
  const columns = new Map<string, FlatColumn | null>();
  let at = 1; // the root is the first
  const skip = (): void => {
    const children = schema[at]?.num_children ?? 0;
    at += 1;
    for (let child = 0; child < children && at < schema.length; child += 1) skip();
  };
  while (at < schema.length) {
    const element = schema[at] as Types.SchemaElement;
    const isFlat =
      given(element.type) && nameOf(types.FieldRepetitionType, element.repetition_type) !== 'REPEATED';
    columns.set(element.name, isFlat ? flatColumn(element, types) : null);
    skip();
  }
  return columns;
}

function flatColumn(element: Types.SchemaElement, types: typeof Types): FlatColumn {
  const physical = nameOf(types.Type, element.type);
  return {
    physical,
    meaning: given(element.converted_type)
      ? nameOf(types.ConvertedType, element.converted_type)
      : (logicalName(element.logicalType) ?? physical),
    isOptional: nameOf(types.FieldRepetitionType, element.repetition_type) === 'OPTIONAL',
    length: element.type_length ?? 0,
    scale: element.scale ?? element.logicalType?.DECIMAL?.scale ?? 0,
  };
}

/** Spelt as the converted type of the same meaning, where there is one. */
function logicalName(type: Types.LogicalType | undefined): string | undefined {
  if (!given(type)) return undefined;
  if (given(type.STRING)) return 'UTF8';
  if (given(type.UNKNOWN)) return NULLS_ALONE;
  if (given(type.DATE)) return 'DATE';
  if (given(type.DECIMAL)) return 'DECIMAL';
  if (!given(type.TIMESTAMP)) return undefined;
  const { MILLIS, MICROS } = type.TIMESTAMP.unit;
  return `TIMESTAMP_${given(MILLIS) ? 'MILLIS' : given(MICROS) ? 'MICROS' : 'NANOS'}`;
}

/** What pandas makes of a column of which it has seen no value. */
const NULLS_ALONE = 'NULL';

/** Thrift's code has null for what is not there, its types undefined. */
export function given<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

/** The name of a number in one of the format's enumerations. */
export function nameOf(enumeration: object, value: number | undefined): string {
  return (
    Object.entries(enumeration).find(([, number]) => number === value)?.[0] ?? `number ${value ?? 'none'}`
  );
}

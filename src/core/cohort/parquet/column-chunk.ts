import type * as Types from '@dsnp/parquetjs/dist/gen-nodejs/parquet_types.js';
import type { FileHandle } from 'node:fs/promises';
import { ByteCursor } from './bits.js';
import { decompressorOf, type Decompress } from './codecs.js';
import { ParquetError } from './errors.js';
import { HybridReader } from './hybrid-reader.js';
import { given, nameOf, readBytes, type FlatColumn, type Structures } from './metadata.js';
import {
  dictionaryOf,
  PHYSICAL_TYPES,
  valueReader,
  type Dictionary,
  type PhysicalType,
  type Value,
  type ValueReader,
} from './values.js';

const FIRST_HEADER_READ = 8 * 1024;
/** A header holds two values of the column besides numbers. */
const MAX_HEADER = 1024 * 1024;
/** Writers make pages of one MiB; DuckDB of up to 100 MB. */
const MAX_PAGE = 128 * 1024 * 1024;

/** One page, decompressed. */
interface DataPage {
  readonly count: number;
  readonly encoding: string;
  /** null = every value is there. */
  readonly levels: Buffer | null;
  readonly values: Buffer;
}

/**
 * The values of one column in one row group, in their order. In memory are one page, decompressed, and the dictionary;
 * values are made of its bytes as they are asked for.
 */
export class ColumnChunk {
  readonly #handle: FileHandle;
  readonly #structures: Structures;
  readonly #column: FlatColumn;
  readonly #decompress: Decompress;
  readonly #end: number;
  #offset: number;
  #dictionary: Dictionary | null = null;
  #left = 0;
  #next: () => Value | null = () => null;

  /** @throws ParquetError when it is compressed with what is not read here */
  constructor(
    handle: FileHandle,
    structures: Structures,
    column: FlatColumn,
    metadata: Types.ColumnMetaData,
  ) {
    this.#handle = handle;
    this.#structures = structures;
    this.#column = column;
    this.#decompress = decompressorOf(metadata.codec);
    // Some writers say 0 when there is no dictionary.
    const dictionary = Number(metadata.dictionary_page_offset ?? 0);
    const data = Number(metadata.data_page_offset);
    this.#offset = dictionary > 0 ? Math.min(dictionary, data) : data;
    this.#end = this.#offset + Number(metadata.total_compressed_size);
  }

  /** true = `readPage` comes before `take`. */
  get isPageEmpty(): boolean {
    return this.#left === 0;
  }

  /** The next value of the page. @throws ParquetError */
  take(): Value | null {
    this.#left -= 1;
    return this.#next();
  }

  /** Reads on until there is a value to take. @throws ParquetError */
  async readPage(): Promise<void> {
    // Before the next one is read: two of DuckDB's would be 200 MB.
    this.#next = () => null;
    while (this.#left === 0) {
      const page = await this.#readDataPage();
      if (page === null) continue;
      if (page.count < 0) throw new ParquetError('a page of less than no values');
      this.#left = page.count;
      this.#next = nextOf(page, this.#column, this.#dictionary);
    }
  }

  /** @returns null when it was the dictionary, or a page that is none of data */
  async #readDataPage(): Promise<DataPage | null> {
    const header = await this.#readHeader();
    const { uncompressed_page_size: length, compressed_page_size: compressedLength } = header;
    for (const size of [length, compressedLength])
      if (!(size >= 0 && size <= MAX_PAGE)) throw new ParquetError('a page is too large');
    const compressed = await this.#read(compressedLength);
    this.#offset += compressedLength;
    switch (nameOf(this.#structures.types.PageType, header.type)) {
      case 'DICTIONARY_PAGE': {
        const count = header.dictionary_page_header?.num_values ?? 0;
        const values = this.#decompress(compressed, length);
        this.#dictionary = dictionaryOf(typeOf(this.#column), values, count, this.#column.length);
        return null;
      }
      case 'DATA_PAGE':
        return this.#pageV1(required(header.data_page_header), this.#decompress(compressed, length));
      case 'DATA_PAGE_V2':
        return this.#pageV2(required(header.data_page_header_v2), compressed, length);
      default:
        return null;
    }
  }

  #pageV1(header: Types.DataPageHeader, bytes: Buffer): DataPage {
    const cursor = new ByteCursor(bytes);
    let levels: Buffer | null = null;
    if (this.#column.isOptional) {
      const encoding = nameOf(this.#structures.types.Encoding, header.definition_level_encoding);
      if (encoding !== 'RLE') throw new ParquetError(`levels in the encoding ${encoding} are not read`);
      levels = cursor.take(bytes.readUInt32LE(cursor.skip(4)));
    }
    return {
      count: header.num_values,
      encoding: nameOf(this.#structures.types.Encoding, header.encoding),
      levels,
      values: bytes.subarray(cursor.offset),
    };
  }

  /** Its levels are not compressed, and have no length before them. */
  #pageV2(header: Types.DataPageHeaderV2, bytes: Buffer, length: number): DataPage {
    const cursor = new ByteCursor(bytes);
    const levelsLength = header.definition_levels_byte_length;
    cursor.skip(header.repetition_levels_byte_length);
    const levels = cursor.take(levelsLength);
    const values = bytes.subarray(cursor.offset);
    const isCompressed = header.is_compressed ?? true;
    return {
      count: header.num_values,
      encoding: nameOf(this.#structures.types.Encoding, header.encoding),
      levels: this.#column.isOptional ? levels : null,
      values: isCompressed ? this.#decompress(values, length - cursor.offset) : values,
    };
  }

  /** Leaves the offset behind it. */
  async #readHeader(): Promise<Types.PageHeader> {
    if (this.#offset >= this.#end) throw new ParquetError('a column ends too early');
    for (let size = FIRST_HEADER_READ; ; size *= 2) {
      const start = await this.#read(Math.min(size, this.#end - this.#offset));
      const header = new this.#structures.types.PageHeader();
      try {
        this.#offset += this.#structures.decode(header, start);
        return header;
      } catch (error) {
        if (size >= MAX_HEADER || start.length < size) throw error;
      }
    }
  }

  async #read(length: number): Promise<Buffer> {
    if (length < 0 || this.#offset + length > this.#end) throw new ParquetError('a column ends too early');
    return readBytes(this.#handle, this.#offset, length);
  }
}

function nextOf(page: DataPage, column: FlatColumn, dictionary: Dictionary | null): () => Value | null {
  const { encoding, values, count } = page;
  let reader: ValueReader | undefined;
  // Not before there is a value: a column of nulls alone may have any type, and no dictionary.
  const next = (): Value =>
    (reader ??= valueReader(encoding, typeOf(column), values, count, dictionary, column.length)).next();
  if (page.levels === null) return next;
  const levels = new HybridReader(page.levels, 1);
  return () => (levels.next() === 1 ? next() : null);
}

function typeOf({ physical }: FlatColumn): PhysicalType {
  const known = PHYSICAL_TYPES.find((name) => name === physical);
  if (known === undefined) throw new ParquetError(`values of type ${physical} are not read`);
  return known;
}

function required<T>(header: T | null | undefined): T {
  if (!given(header)) throw new ParquetError('a page has no header of its kind');
  return header;
}

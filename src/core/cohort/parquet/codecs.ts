import { decompress as unzstd } from 'fzstd';
import { uncompress as unsnappy } from 'snappyjs';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { ParquetError } from './errors.js';
import { lz4Block, lz4Hadoop } from './lz4.js';

/** By their numbers in the file. */
const CODECS = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'LZO', 'BROTLI', 'LZ4', 'ZSTD', 'LZ4_RAW'] as const;

type Inflate = (compressed: Buffer, length: number) => Uint8Array;

const INFLATE: Readonly<Partial<Record<(typeof CODECS)[number], Inflate>>> = {
  UNCOMPRESSED: (bytes) => bytes,
  SNAPPY: (compressed, length) => unsnappy(compressed, length),
  GZIP: (compressed, length) => gunzipSync(compressed, { maxOutputLength: length }),
  BROTLI: (compressed, length) => brotliDecompressSync(compressed, { maxOutputLength: length }),
  LZ4: lz4Hadoop,
  LZ4_RAW: lz4Block,
  // Into a buffer of the length that it must have: what is longer does not fit.
  ZSTD: (compressed, length) => unzstd(compressed, new Uint8Array(length)),
};

export type Decompress = (compressed: Buffer, length: number) => Buffer;

/**
 * How a column's pages are decompressed; `length` is what the page says it has then.
 *
 * @throws ParquetError for a codec that is not read here, and from what it returns
 */
export function decompressorOf(codec: number): Decompress {
  const name = CODECS[codec];
  const inflate = name === undefined ? undefined : INFLATE[name];
  if (inflate === undefined)
    throw new ParquetError(
      `compressed with ${name ?? `codec ${codec}`}; write it with SNAPPY, GZIP, ZSTD, BROTLI, LZ4_RAW or without compression`,
    );
  return (compressed, length) => {
    let bytes: Uint8Array;
    try {
      bytes = length === 0 ? new Uint8Array() : inflate(compressed, length);
    } catch (error) {
      throw new ParquetError(`a page can't be decompressed (${name ?? ''})`, { cause: error });
    }
    if (bytes.length !== length) throw new ParquetError('a page has not the length that it says');
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

import { ParquetError } from './errors.js';

const MIN_MATCH = 4;
const LONG = 15;

/**
 * One block as the LZ4 block format has it: literals and copies of what was there before.
 *
 * @throws ParquetError when it is none, or has another length than the page says
 */
export function lz4Block(compressed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let [at, end] = [0, 0];
  const byte = (): number => {
    const value = compressed[at];
    if (value === undefined) throw new ParquetError('an LZ4 block ends too early');
    at += 1;
    return value;
  };
  const long = (nibble: number): number => {
    let size = nibble;
    if (nibble === LONG)
      for (let more = 255; more === 255;) {
        more = byte();
        size += more;
      }
    return size;
  };
  while (at < compressed.length) {
    const token = byte();
    const literals = long(token >> 4);
    if (at + literals > compressed.length || end + literals > length)
      throw new ParquetError('an LZ4 block has other literals than it says');
    out.set(compressed.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at === compressed.length) break; // the last sequence has literals alone
    const offset = byte() + byte() * 256;
    const size = long(token & LONG) + MIN_MATCH;
    if (offset === 0 || offset > end || end + size > length)
      throw new ParquetError('an LZ4 block copies what is not there');
    // It may copy what it is just writing: a run is a copy of the byte before it.
    if (offset >= size) out.copyWithin(end, end - offset, end - offset + size);
    else for (let index = end; index < end + size; index += 1) out[index] = out[index - offset] ?? 0;
    end += size;
  }
  if (end !== length) throw new ParquetError('an LZ4 block has not the length that it says');
  return out;
}

const LENGTHS = 8;

/** What Hadoop, and so Spark, calls LZ4: blocks behind their two lengths. Other writers mean a bare block by it. */
export function lz4Hadoop(compressed: Buffer, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  let [at, made] = [0, 0];
  while (at + LENGTHS <= compressed.length) {
    const size = compressed.readUInt32BE(at);
    const end = at + LENGTHS + compressed.readUInt32BE(at + 4);
    if (end > compressed.length || made + size > length) break;
    blocks.push(lz4Block(compressed.subarray(at + LENGTHS, end), size));
    made += size;
    at = end;
  }
  return made === length && at === compressed.length ? Buffer.concat(blocks) : lz4Block(compressed, length);
}

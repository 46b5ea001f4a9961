import { decodeText } from './decode-text.js';
import type { Encoding } from './encoding.js';

/** Bytes and how one number is read from them, in Little and in Big Endian (PS3.5 6.2). */
type Numeric = readonly [size: number, read: (view: DataView, at: number, little: boolean) => number];

const NUMERIC: Readonly<Record<string, Numeric>> = {
  US: [2, (view, at, little) => view.getUint16(at, little)],
  SS: [2, (view, at, little) => view.getInt16(at, little)],
  UL: [4, (view, at, little) => view.getUint32(at, little)],
  SL: [4, (view, at, little) => view.getInt32(at, little)],
  FL: [4, (view, at, little) => view.getFloat32(at, little)],
  FD: [8, (view, at, little) => view.getFloat64(at, little)],
};

/** The value of an element as text: numbers in decimal, text as {@link decodeText} gives it. */
export function valueText(
  bytes: Buffer,
  vr: string,
  specificCharacterSet: string,
  { bigEndian }: Encoding,
): string {
  const numeric = NUMERIC[vr];
  if (numeric === undefined) return decodeText(bytes, vr, specificCharacterSet);
  const [size, read] = numeric;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers: number[] = [];
  for (let at = 0; at + size <= bytes.length; at += size) numbers.push(read(view, at, !bigEndian));
  return numbers.join('\\');
}

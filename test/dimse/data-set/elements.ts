import { passedOn } from '../../../src/dimse/data-set/passed-on.js';

/** A data set as a model, and its plain encoding: what the walker is compared with. */
export type Element =
  | { readonly kind: 'value'; readonly tag: number; readonly vr: string; readonly value: Buffer }
  | {
      readonly kind: 'items';
      readonly tag: number;
      /** UN has its items in Implicit VR Little Endian when its length is undefined, and is written so only. */
      readonly vr: 'SQ' | 'UN';
      readonly items: readonly (readonly Element[])[];
      readonly undefinedLength: boolean;
      readonly undefinedItems: boolean;
    }
  | { readonly kind: 'fragments'; readonly tag: number; readonly fragments: readonly Buffer[] };

export interface Syntax {
  readonly uid: string;
  readonly explicit: boolean;
  readonly bigEndian: boolean;
}

export const EXPLICIT: Syntax = { uid: '1.2.840.10008.1.2.1', explicit: true, bigEndian: false };
export const IMPLICIT: Syntax = { uid: '1.2.840.10008.1.2', explicit: false, bigEndian: false };
export const BIG_ENDIAN: Syntax = { uid: '1.2.840.10008.1.2.2', explicit: true, bigEndian: true };
export const DEFLATED_UID = '1.2.840.10008.1.2.1.99';
export const SYNTAXES: readonly Syntax[] = [EXPLICIT, IMPLICIT, BIG_ENDIAN];

const LONG = new Set(['OB', 'OW', 'OF', 'OD', 'OL', 'OV', 'SQ', 'UC', 'UN', 'UR', 'UT', 'SV', 'UV']);
const UNDEFINED = 0xffffffff;

export function lo(tag: number, text: string): Element {
  return element(tag, 'LO', text);
}

export function element(tag: number, vr: string, value: string | Buffer): Element {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return {
    kind: 'value',
    tag,
    vr,
    value: bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(' ')]),
  };
}

export function encode(elements: readonly Element[], syntax: Syntax): Buffer {
  return Buffer.concat(elements.map((each) => encodeElement(each, syntax)));
}

function encodeElement(each: Element, syntax: Syntax): Buffer {
  if (each.kind === 'value')
    return Buffer.concat([header(each.tag, each.vr, each.value.length, syntax), each.value]);
  if (each.kind === 'fragments') {
    const items = each.fragments.map((bytes) =>
      Buffer.concat([header(0xfffee000, '', bytes.length, syntax), bytes]),
    );
    return Buffer.concat([
      header(each.tag, 'OB', UNDEFINED, syntax),
      ...items,
      header(0xfffee0dd, '', 0, syntax),
    ]);
  }
  const inside = each.vr === 'UN' ? IMPLICIT : syntax;
  const items = each.items.map((item) => {
    const bytes = encode(item, inside);
    return each.undefinedItems
      ? [header(0xfffee000, '', UNDEFINED, inside), bytes, header(0xfffee00d, '', 0, inside)]
      : [header(0xfffee000, '', bytes.length, inside), bytes];
  });
  const value = Buffer.concat(items.flat());
  return each.undefinedLength || each.vr === 'UN'
    ? Buffer.concat([header(each.tag, each.vr, UNDEFINED, syntax), value, header(0xfffee0dd, '', 0, inside)])
    : Buffer.concat([header(each.tag, each.vr, value.length, syntax), value]);
}

/** @param vr empty for items and delimiters */
export function header(tag: number, vr: string, length: number, { explicit, bigEndian }: Syntax): Buffer {
  const bytes = Buffer.alloc(12);
  const u16 = (value: number, at: number): number =>
    bigEndian ? bytes.writeUInt16BE(value, at) : bytes.writeUInt16LE(value, at);
  const u32 = (value: number, at: number): number =>
    bigEndian ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
  u16(tag >>> 16, 0);
  u16(tag & 0xffff, 2);
  if (!explicit || vr === '') return bytes.subarray(0, u32(length, 4));
  bytes.write(vr, 4, 'latin1');
  return bytes.subarray(0, LONG.has(vr) ? u32(length, 8) : u16(length, 6));
}

/** Spaces mean nothing in a hand-written fixture. */
export function hex(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.join('').replaceAll(' ', ''), 'hex');
}

export function chunksOf(bytes: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

export async function* streamOf(chunks: Iterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  await Promise.resolve();
  for (const chunk of chunks) yield chunk;
}

export async function tag(chunks: Iterable<Buffer>, uid: string, project = 'proj'): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of passedOn(streamOf(chunks), uid, project)) parts.push(part);
  return Buffer.concat(parts);
}

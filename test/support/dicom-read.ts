import { createHash, type Hash } from 'node:crypto';
import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

/** A DICOM file: its path, or its bytes. */
export type DicomSource = string | Buffer;

/** One top-level element: where its bytes are in the file. */
export interface ElementPlace {
  /** Eight hex digits, `7fe00010`. */
  readonly tag: string;
  /** Empty in Implicit VR. */
  readonly vr: string;
  /** Where its header starts. */
  readonly start: number;
  readonly valueStart: number;
  /** Behind its last byte, delimiters of an undefined length included. */
  readonly end: number;
  readonly undefinedLength: boolean;
  /** Its value, when that is short (up to 64 KiB); else the first bytes. */
  readonly value: Buffer;
}

export interface DicomHead {
  readonly transferSyntax: string;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** Where the data set starts. */
  readonly dataSetStart: number;
  readonly size: number;
  readonly elements: ReadonlyMap<string, ElementPlace>;
  /** What the elements' places refer to: the file, or its inflated data set. */
  readonly body: DicomSource;
  /** An element's text without padding, or undefined. */
  text(tag: string): string | undefined;
}

const SHORT = 64 * 1024;
const LONG_VRS = new Set(['OB', 'OW', 'OF', 'OD', 'OL', 'OV', 'SQ', 'UN', 'UT', 'UC', 'UR', 'SV', 'UV']);
const UNDEFINED = 0xffffffff;

interface Bytes {
  readonly size: number;
  at(offset: number, length: number): Buffer;
}

function bytesOf(source: Buffer): Bytes {
  return {
    size: source.length,
    at: (offset, length) => {
      if (offset + length > source.length)
        throw new Error(`the file ends within ${length} bytes at ${offset}`);
      return source.subarray(offset, offset + length);
    },
  };
}

function withBytes<T>(source: DicomSource, work: (bytes: Bytes) => T): T {
  if (Buffer.isBuffer(source)) return work(bytesOf(source));
  const fd = openSync(source, 'r');
  try {
    const size = fstatSync(fd).size;
    let window = Buffer.alloc(0);
    let windowStart = 0;
    return work({
      size,
      at: (offset, length) => {
        if (offset + length > size) throw new Error(`the file ends within ${length} bytes at ${offset}`);
        if (offset < windowStart || offset + length > windowStart + window.length) {
          window = Buffer.alloc(Math.min(Math.max(length, SHORT), size - offset));
          windowStart = offset;
          let got = 0;
          while (got < window.length) {
            const count = readSync(fd, window, got, window.length - got, offset + got);
            if (count === 0) throw new Error('the file shrank while it was read');
            got += count;
          }
        }
        return Buffer.from(window.subarray(offset - windowStart, offset - windowStart + length));
      },
    });
  } finally {
    closeSync(fd);
  }
}

interface Syntax {
  readonly explicit: boolean;
  readonly bigEndian: boolean;
}

interface Header {
  readonly tag: string;
  readonly vr: string;
  readonly valueStart: number;
  readonly length: number;
}

function readHeader(bytes: Bytes, at: number, syntax: Syntax): Header {
  const head = bytes.at(at, 8);
  const u16 = (buffer: Buffer, offset: number): number =>
    syntax.bigEndian ? buffer.readUInt16BE(offset) : buffer.readUInt16LE(offset);
  const u32 = (buffer: Buffer, offset: number): number =>
    syntax.bigEndian ? buffer.readUInt32BE(offset) : buffer.readUInt32LE(offset);
  const tag = u16(head, 0).toString(16).padStart(4, '0') + u16(head, 2).toString(16).padStart(4, '0');
  if (!syntax.explicit || tag.startsWith('fffe')) {
    return { tag, vr: '', valueStart: at + 8, length: u32(head, 4) };
  }
  const vr = head.toString('latin1', 4, 6);
  if (!/^[A-Z]{2}$/.test(vr)) throw new Error(`no VR at ${at}`);
  if (LONG_VRS.has(vr)) return { tag, vr, valueStart: at + 12, length: u32(bytes.at(at + 8, 4), 0) };
  return { tag, vr, valueStart: at + 8, length: u16(head, 6) };
}

/** Behind the delimiter that ends a value of undefined length: items, each counted or delimited too. */
function endOfUndefined(bytes: Bytes, start: number, vr: string, syntax: Syntax): number {
  // A sequence of VR UN is encoded as Implicit VR Little Endian (PS3.5 6.2.2).
  const inner: Syntax = vr === 'UN' ? { explicit: false, bigEndian: false } : syntax;
  let at = start;
  for (;;) {
    const item = readHeader(bytes, at, inner);
    at = item.valueStart;
    if (item.tag === 'fffee0dd') return at;
    if (item.tag !== 'fffee000') throw new Error(`${item.tag} at ${at} where an item was expected`);
    if (item.length !== UNDEFINED) at += item.length;
    else {
      for (;;) {
        const element = readHeader(bytes, at, inner);
        at = element.valueStart;
        if (element.tag === 'fffee00d') break;
        at =
          element.length === UNDEFINED ? endOfUndefined(bytes, at, element.vr, inner) : at + element.length;
      }
    }
  }
}

function readElements(bytes: Bytes, start: number, end: number, syntax: Syntax): Map<string, ElementPlace> {
  const elements = new Map<string, ElementPlace>();
  for (let at = start; at < end;) {
    const { tag, vr, valueStart, length } = readHeader(bytes, at, syntax);
    const undefinedLength = length === UNDEFINED;
    const next = undefinedLength ? endOfUndefined(bytes, valueStart, vr, syntax) : valueStart + length;
    if (next > end) throw new Error(`${tag} goes beyond the end of the file`);
    const value = bytes.at(valueStart, Math.min(next - valueStart, SHORT));
    elements.set(tag, { tag, vr, start: at, valueStart, end: next, undefinedLength, value });
    at = next;
  }
  return elements;
}

function trimmed(place: ElementPlace | undefined): string | undefined {
  return place?.value.toString('latin1').replace(/[\0 ]+$/, '');
}

/** Reads a DICOM file's head: the meta information and where each top-level element lies. Pixel data is passed over. */
export function readDicomHead(source: DicomSource): DicomHead {
  return withBytes(source, (bytes) => {
    if (bytes.size < 132 || bytes.at(128, 4).toString('latin1') !== 'DICM')
      throw new Error('not a DICOM file');
    const explicit: Syntax = { explicit: true, bigEndian: false };
    const group = readHeader(bytes, 132, explicit);
    const dataSetStart = group.valueStart + group.length + bytes.at(group.valueStart, 4).readUInt32LE(0);
    const meta = readElements(bytes, 132, dataSetStart, explicit);
    const transferSyntax = trimmed(meta.get('00020010')) ?? '';
    const { elements, body } =
      transferSyntax === '1.2.840.10008.1.2.1.99'
        ? inflate(bytes, dataSetStart)
        : {
            elements: readElements(bytes, dataSetStart, bytes.size, {
              explicit: transferSyntax !== '1.2.840.10008.1.2',
              bigEndian: transferSyntax === '1.2.840.10008.1.2.2',
            }),
            body: source,
          };
    return {
      transferSyntax,
      sopClassUid: trimmed(meta.get('00020002')) ?? '',
      sopInstanceUid: trimmed(meta.get('00020003')) ?? '',
      dataSetStart,
      size: bytes.size,
      elements,
      body,
      text: (tag) => trimmed(elements.get(tag)),
    };
  });
}

function inflate(bytes: Bytes, dataSetStart: number): { elements: Map<string, ElementPlace>; body: Buffer } {
  const body = inflateRawSync(bytes.at(dataSetStart, bytes.size - dataSetStart));
  return {
    elements: readElements(bytesOf(body), 0, body.length, { explicit: true, bigEndian: false }),
    body,
  };
}

async function hashRange(hash: Hash, source: DicomSource, start: number, end: number): Promise<void> {
  if (end <= start) return;
  if (Buffer.isBuffer(source)) {
    hash.update(source.subarray(start, end));
    return;
  }
  for await (const chunk of createReadStream(source, { start, end: end - 1, highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
  }
}

/** SHA-256 of the value of (7FE0,0010), read as a stream. @throws when there is none. */
export async function pixelDataDigest(source: DicomSource): Promise<string> {
  const { elements, body } = readDicomHead(source);
  const pixels = elements.get('7fe00010');
  if (pixels === undefined) throw new Error('no pixel data');
  const hash = createHash('sha256');
  await hashRange(hash, body, pixels.valueStart, pixels.end);
  return hash.digest('hex');
}

/** SHA-256 of the data set as it is encoded, top-level elements of some tags or groups (`000d`) left out. */
export async function datasetDigest(source: DicomSource, without: readonly string[] = []): Promise<string> {
  const { body, dataSetStart, elements } = readDicomHead(source);
  const hash = createHash('sha256');
  let from = body === source ? dataSetStart : 0;
  for (const place of elements.values()) {
    if (!without.some((prefix) => place.tag.startsWith(prefix))) continue;
    await hashRange(hash, body, from, place.start);
    from = place.end;
  }
  await hashRange(hash, body, from, [...elements.values()].at(-1)?.end ?? from);
  return hash.digest('hex');
}

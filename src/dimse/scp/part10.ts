import { open, type FileHandle } from 'node:fs/promises';
import { isUid } from '../../core/ids.js';
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../association.js';
import { DataSetHeadError } from '../errors.js';

/** What File Meta Information says of the data set behind it (PS3.10 7.1). */
export interface FileMeta {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
}

/** A file's meta information, and where its data set begins. */
export interface ReadFileMeta extends FileMeta {
  readonly dataSetAt: number;
}

const PREAMBLE_LENGTH = 128;
const PREFIX = Buffer.from('DICM', 'latin1');
/** All that others are known to write, private information included, is a few kilobytes. */
const MAX_META_LENGTH = 64 * 1024;
const READ_LENGTH = 256 * 1024;

/** The first bytes of a DICOM file: preamble, prefix and File Meta Information (PS3.10 7.1). */
export function encodeFileMeta(meta: FileMeta, sourceAeTitle: string): Buffer {
  const elements = Buffer.concat([
    metaElement(0x0001, 'OB', Buffer.from([0, 1])),
    metaElement(0x0002, 'UI', Buffer.from(meta.sopClassUid, 'latin1')),
    metaElement(0x0003, 'UI', Buffer.from(meta.sopInstanceUid, 'latin1')),
    metaElement(0x0010, 'UI', Buffer.from(meta.transferSyntaxUid, 'latin1')),
    metaElement(0x0012, 'UI', Buffer.from(IMPLEMENTATION_CLASS_UID, 'latin1')),
    metaElement(0x0013, 'SH', Buffer.from(IMPLEMENTATION_VERSION_NAME, 'latin1')),
    metaElement(0x0016, 'AE', Buffer.from(sourceAeTitle, 'latin1')),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(elements.length);
  return Buffer.concat([Buffer.alloc(PREAMBLE_LENGTH), PREFIX, metaElement(0, 'UL', length), elements]);
}

function metaElement(element: number, vr: string, value: Buffer): Buffer {
  const padding = value.length % 2 === 0 ? '' : vr === 'UI' || vr === 'OB' ? '\0' : ' ';
  const long = vr === 'OB';
  const header = Buffer.alloc(long ? 12 : 8);
  header.writeUInt16LE(0x0002, 0);
  header.writeUInt16LE(element, 2);
  header.write(vr, 4, 'latin1');
  if (long) header.writeUInt32LE(value.length + padding.length, 8);
  else header.writeUInt16LE(value.length + padding.length, 6);
  return Buffer.concat([header, value, Buffer.from(padding, 'latin1')]);
}

/**
 * @param bytes the beginning of a file
 * @throws DataSetHeadError when they don't begin a DICOM file, or the meta information does not end in them
 */
export function decodeFileMeta(bytes: Buffer): ReadFileMeta {
  let at = PREAMBLE_LENGTH + PREFIX.length;
  if (!bytes.subarray(PREAMBLE_LENGTH, at).equals(PREFIX))
    throw new DataSetHeadError('no DICOM file (PS3.10 7.1)');
  const values = new Map<number, string>();
  while (at + 8 <= bytes.length && bytes.readUInt16LE(at) === 0x0002) {
    const long = /^(OB|OW|UN|UT|SQ|OF)$/.test(bytes.toString('latin1', at + 4, at + 6));
    if (long && at + 12 > bytes.length) break;
    const valueAt = at + (long ? 12 : 8);
    const end = valueAt + (long ? bytes.readUInt32LE(at + 8) : bytes.readUInt16LE(at + 6));
    if (end > bytes.length) throw new DataSetHeadError('file meta information that is cut off');
    values.set(bytes.readUInt16LE(at + 2), bytes.toString('latin1', valueAt, end).replace(/[\0 ]+$/, ''));
    at = end;
  }
  const uid = (element: number): string => {
    const value = values.get(element) ?? '';
    if (!isUid(value)) throw new DataSetHeadError('file meta information without its UIDs');
    return value;
  };
  return {
    sopClassUid: uid(0x0002),
    sopInstanceUid: uid(0x0003),
    transferSyntaxUid: uid(0x0010),
    dataSetAt: at,
  };
}

/** A DICOM file that is open for reading. {@link close} it. */
export class DicomFile {
  readonly meta: ReadFileMeta;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle, meta: ReadFileMeta) {
    this.#handle = handle;
    this.meta = meta;
  }

  /** @throws DataSetHeadError when it is no DICOM file; what the file system says */
  static async open(path: string): Promise<DicomFile> {
    const handle = await open(path, 'r');
    try {
      return new DicomFile(handle, decodeFileMeta(await readAt(handle, 0, MAX_META_LENGTH)));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The bytes of the data set, read as they are asked for, in pieces of that length. */
  async *dataSet(pieceLength = READ_LENGTH): AsyncGenerator<Buffer, void, undefined> {
    let at = this.meta.dataSetAt;
    for (;;) {
      const piece = await readAt(this.#handle, at, pieceLength);
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

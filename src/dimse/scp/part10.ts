import { open, type FileHandle } from 'node:fs/promises';
import { isUid } from '../../core/ids.js';
import { DataSetHeadError } from '../errors.js';
import { withoutTrailingPadding } from '../upper-layer/padding.js';

/** What File Meta Information says of the data set behind it (PS3.10 7.1), and where that begins. */
export interface ReadFileMeta {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly dataSetAt: number;
}

const PREAMBLE_LENGTH = 128;
const PREFIX = Buffer.from('DICM', 'latin1');
/** All that others are known to write, private information included, is a few kilobytes. */
const MAX_META_LENGTH = 16 * 1024;
const READ_LENGTH = 256 * 1024;

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
    values.set(bytes.readUInt16LE(at + 2), withoutTrailingPadding(bytes.toString('latin1', valueAt, end)));
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

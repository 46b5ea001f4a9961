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
/** Bytes of a data set that are read at a time: an image of 512 × 512 with two bytes to a pixel is one such piece. */
export const MAX_PIECE_LENGTH = 512 * 1024;

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

/** A DICOM file that is open for reading, its first piece read. {@link close} it. */
export class DicomFile {
  readonly meta: ReadFileMeta;
  /** null when there is nothing left to be read. */
  readonly #handle: FileHandle | null;
  readonly #pieceLength: number;
  /** The data set as far as it is read. */
  readonly #held: Buffer;

  private constructor(handle: FileHandle | null, head: Buffer, pieceLength: number) {
    this.#handle = handle;
    this.#pieceLength = pieceLength;
    this.meta = decodeFileMeta(head.subarray(0, MAX_META_LENGTH));
    this.#held = head.subarray(this.meta.dataSetAt);
  }

  /**
   * @param pieceLength how many bytes of the data set are read at a time
   * @throws DataSetHeadError when it is no DICOM file; what the file system says
   */
  static async open(path: string, pieceLength = MAX_PIECE_LENGTH): Promise<DicomFile> {
    const handle = await open(path, 'r');
    let isOpen = true;
    try {
      // Wherever the data set begins, its first piece is in this.
      const length = MAX_META_LENGTH + pieceLength;
      const head = await readAt(handle, 0, length);
      if (head.length === length) return new DicomFile(handle, head, pieceLength);
      isOpen = false;
      await handle.close();
      return new DicomFile(null, head, pieceLength);
    } catch (error) {
      if (isOpen) await handle.close();
      throw error;
    }
  }

  /** The bytes of the data set, in pieces; the next is read while one is worked on. */
  async *dataSet(): AsyncGenerator<Buffer, void, undefined> {
    let piece = this.#held.subarray(0, this.#pieceLength);
    for (let at = piece.length; piece.length > 0; at += piece.length) {
      const next = this.#pieceAt(at);
      next.catch(() => undefined); // thrown below, if it is still wanted
      yield piece;
      piece = await next;
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  async #pieceAt(at: number): Promise<Buffer> {
    if (this.#handle === null) return this.#held.subarray(at, at + this.#pieceLength);
    return readAt(this.#handle, this.meta.dataSetAt + at, this.#pieceLength);
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

import { open, type FileHandle } from 'node:fs/promises';
import { canBePassedOn } from '../../core/ids.js';
import { DataSetHeadError } from '../errors.js';
import { withoutTrailingPadding } from '../../core/padding.js';
import { PieceBuffers } from './piece-buffers.js';

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
/** Bytes of a data set that are read at a time: an image of 512 × 512 with two bytes to a pixel and its head are one piece. */
export const MAX_PIECE_LENGTH = 528 * 1024;

/** For files whose pieces are all given back when they are done with. */
export function pieceBuffers(): PieceBuffers {
  return new PieceBuffers(MAX_META_LENGTH + MAX_PIECE_LENGTH);
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
    values.set(bytes.readUInt16LE(at + 2), withoutTrailingPadding(bytes.toString('latin1', valueAt, end)));
    at = end;
  }
  const uid = (element: number): string => {
    const value = values.get(element) ?? '';
    if (!canBePassedOn(value)) throw new DataSetHeadError('file meta information without its UIDs');
    return value;
  };
  return {
    sopClassUid: uid(0x0002),
    sopInstanceUid: uid(0x0003),
    transferSyntaxUid: uid(0x0010),
    dataSetAt: at,
  };
}

/** How a file is read. */
export interface Reading {
  /** How many bytes of the data set are read at a time. */
  readonly pieceLength?: number;
  /** Where to; null = each piece has a buffer of its own, and is never given back. */
  readonly buffers?: PieceBuffers | null;
}

interface Head {
  readonly meta: ReadFileMeta;
  /** The first piece of the data set. */
  readonly first: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** A DICOM file that is open for reading, its first piece read. {@link close} it. */
export class DicomFile {
  readonly meta: ReadFileMeta;
  /** null when there is nothing left to be read. */
  readonly #handle: FileHandle | null;
  readonly #pieceLength: number;
  readonly #buffers: PieceBuffers | null;
  readonly #first: Buffer;

  private constructor(handle: FileHandle | null, head: Head, { pieceLength, buffers }: Required<Reading>) {
    this.#handle = handle;
    this.#pieceLength = pieceLength;
    this.#buffers = buffers;
    this.meta = head.meta;
    this.#first = head.first;
  }

  /** @throws DataSetHeadError when it is no DICOM file; what the file system says */
  static async open(path: string, reading: Reading = {}): Promise<DicomFile> {
    const { pieceLength = MAX_PIECE_LENGTH, buffers = null } = reading;
    const handle = await open(path, 'r');
    let isOpen = true;
    try {
      // Wherever the data set begins, its first piece is in this.
      const length = MAX_META_LENGTH + pieceLength;
      const bytes = await readAt(handle, 0, length, buffers);
      const meta = decodeFileMeta(bytes.subarray(0, MAX_META_LENGTH));
      const first = bytes.subarray(meta.dataSetAt, meta.dataSetAt + pieceLength);
      const isAll = bytes.length < length && meta.dataSetAt + first.length === bytes.length;
      if (!isAll) return new DicomFile(handle, { meta, first }, { pieceLength, buffers });
      isOpen = false;
      await handle.close();
      return new DicomFile(null, { meta, first }, { pieceLength, buffers });
    } catch (error) {
      if (isOpen) await handle.close();
      throw error;
    }
  }

  /** The bytes of the data set, in pieces; the next is read while one is worked on. */
  async *dataSet(): AsyncGenerator<Buffer, void, undefined> {
    let piece = this.#first;
    for (let at = piece.length; piece.length > 0; at += piece.length) {
      const next = this.#pieceAt(at);
      next.catch(() => undefined); // thrown below, if it is still wanted
      yield piece;
      piece = await next;
    }
  }

  /** A piece is done with: its bytes may be written over. */
  release(piece: Buffer): void {
    this.#buffers?.give(piece);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  async #pieceAt(at: number): Promise<Buffer> {
    if (this.#handle === null) return NOTHING;
    const piece = await readAt(this.#handle, this.meta.dataSetAt + at, this.#pieceLength, this.#buffers);
    if (piece.length > 0) return piece;
    this.release(piece);
    return NOTHING;
  }
}

async function readAt(
  handle: FileHandle,
  position: number,
  length: number,
  buffers: PieceBuffers | null,
): Promise<Buffer> {
  const into = buffers?.take() ?? Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(into, 0, length, position);
  return into.subarray(0, bytesRead);
}

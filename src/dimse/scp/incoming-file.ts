import { open, unlink, type FileHandle } from 'node:fs/promises';
import { isDeflated } from '../data-set/encoding.js';
import { encodeFileMeta } from '../data-set/file-meta.js';
import { AttributeReader, type QueryAttributeValues } from './matching/index.js';
import { readInstance, withPlace } from './read-instance.js';

/** An instance that comes in. */
export interface ReceivedInstance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  /** Is written into its file; without it the file does not say whom it came from. */
  readonly sourceAeTitle?: string;
  readonly dataSet: AsyncIterable<Buffer>;
}

/** Pieces are written together from this many bytes on. */
const WRITE_LENGTH = 256 * 1024;

/** The file of an instance while it comes in, under a path that is not yet its place. {@link close} or {@link discard} it. */
export class IncomingFile {
  readonly path: string;
  readonly #opening: Promise<FileHandle>;
  #pieces: Buffer[] = [];
  /** Of the pieces that are not written yet. */
  #length = 0;
  #bytes = 0;

  /** Begins to open it; what comes of that, {@link receive} says. */
  constructor(path: string) {
    this.path = path;
    this.#opening = open(path, 'wx+');
    this.#opening.catch(() => undefined);
  }

  /**
   * Writes File Meta Information and the data set; when this resolves all of it is on the disk.
   *
   * @returns what queries can ask for, read as the data set passed by
   * @throws DataSetHeadError when the UIDs that place it can't be read; what `dataSet` throws and the file system says
   */
  async receive(received: ReceivedInstance): Promise<QueryAttributeValues> {
    const { transferSyntaxUid: transferSyntax, dataSet, ...rest } = received;
    // A deflated one is read when all of it has come: it is met too seldom to be inflated on its way.
    const reader = isDeflated(transferSyntax) ? null : new AttributeReader(transferSyntax);
    this.#add(encodeFileMeta({ ...rest, transferSyntax }));
    for await (const piece of dataSet) {
      reader?.push(piece);
      this.#add(piece);
      if (this.#length >= WRITE_LENGTH) await this.#flush();
    }
    const attributes = reader === null ? null : withPlace(reader.end());
    await this.#flush();
    const handle = await this.#opening;
    await handle.sync();
    return attributes ?? (await readInstance(this.path)).attributes;
  }

  /** How many have been received, File Meta Information included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When it was written last, in milliseconds since 1970. */
  async stat(): Promise<{ readonly mtimeMs: number }> {
    return (await this.#opening).stat();
  }

  async close(): Promise<void> {
    await (await this.#opening).close();
  }

  /** Closes and removes it, if it is still where it came in. Never throws: what is left is removed at the next start. */
  async discard(): Promise<void> {
    await this.close().catch(() => undefined); // it may never have been opened
    await unlink(this.path).catch(() => undefined);
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
    this.#bytes += piece.length;
  }

  async #flush(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    await writeAll(await this.#opening, pieces);
  }
}

/** A full disk shows itself by a write that is short, and only the next one fails. */
async function writeAll(handle: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  if (pieces.length === 0) return;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const { bytesWritten } = await handle.writev(pieces);
  if (bytesWritten < length) await handle.appendFile(Buffer.concat(pieces).subarray(bytesWritten));
}

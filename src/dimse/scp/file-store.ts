import { mkdir, open, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { InternalError } from '../../core/errors.js';
import type { Logger } from '../../core/log.js';
import type { QueryAttributeValues } from './matching/index.js';
import { encodeFileMeta } from '../data-set/file-meta.js';
import { DataSetHeadError, InstanceRefusedError, NodeStartError } from '../errors.js';
import { Status } from '../message/status.js';
import { DirectorySync } from './directory-sync.js';
import { IndexCache } from './index-cache.js';
import type { InstanceIndex } from './instance-index.js';
import { loadIndex } from './load-index.js';
import { DicomFile } from './part10.js';
import { readInstance } from './read-instance.js';
import { sameDataSet } from './same-data-set.js';
import type { StoredInstance } from './stored-instance.js';

/** An instance that comes in. */
export interface ReceivedInstance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly sourceAeTitle: string;
  readonly dataSet: AsyncIterable<Buffer>;
}

/** Where instances are while they come in, within the store's folder, so that a rename brings them to their place. */
const INCOMING = '.incoming';
/** Pieces are written together from this many bytes on. */
const WRITE_LENGTH = 256 * 1024;

/**
 * Instances as DICOM files (PS3.10) in a folder: STUDY/SERIES/INSTANCE.dcm, named by their UIDs. A file has its final
 * name only when all of it is on the disk, and `store` resolves only when the name is, too (docs/adr/0011). One
 * process may use a folder.
 */
export class FileStore {
  readonly index: InstanceIndex;
  readonly #folder: string;
  readonly #cache: IndexCache;
  readonly #directories = new DirectorySync();
  /** Folders whose own entry is known to be on the disk. */
  readonly #safeFolders = new Set<string>();
  /** By SOP Instance UID: what is being put to its place. */
  readonly #commits = new Map<string, Promise<unknown>>();
  #received = 0;

  private constructor(folder: string, index: InstanceIndex, cache: IndexCache) {
    this.#folder = folder;
    this.index = index;
    this.#cache = cache;
  }

  /**
   * Opens a store, made if need be; what was on its way when a process ended is removed.
   *
   * @throws NodeStartError when the folder can't be used
   */
  static async open(folder: string, log: Logger): Promise<FileStore> {
    try {
      await makeFolder(folder);
      await rm(join(folder, INCOMING), { recursive: true, force: true });
      await mkdir(join(folder, INCOMING));
      const cache = new IndexCache(folder, log);
      const index = await loadIndex(folder, cache, log);
      return new FileStore(folder, index, cache);
    } catch (error) {
      throw new NodeStartError(`the folder ${folder} can't be used: ${codeOfSystem(error)}`, error);
    }
  }

  /**
   * Stores an instance; when this resolves it is safe. The same bytes once more are taken as stored.
   *
   * @throws InstanceRefusedError with the status to answer; what `dataSet` throws. Nothing is left behind then.
   */
  async store(received: ReceivedInstance): Promise<StoredInstance> {
    this.#received += 1;
    const incoming = join(this.#folder, INCOMING, String(this.#received));
    try {
      const handle = await open(incoming, 'wx+');
      let attributes: QueryAttributeValues;
      try {
        await write(handle, received);
        attributes = await this.#attributesOf(incoming, received);
        await handle.sync();
      } finally {
        await handle.close();
      }
      return await this.#inTurn(received.sopInstanceUid, () => this.#commit(incoming, received, attributes));
    } catch (error) {
      await unlink(incoming).catch(() => undefined); // emptied at the next start, if not now
      throw asRefusal(error);
    }
  }

  /** Opens the file of an instance. @throws DataSetHeadError, and what the file system says */
  open(instance: StoredInstance): Promise<DicomFile> {
    return DicomFile.open(join(this.#folder, instance.file));
  }

  /** Resolves when nothing is being written any more. No `store` may be under way. */
  async close(): Promise<void> {
    await this.#cache.close();
  }

  /** PS3.4 B.2.3: what the command says must be what the data set says. */
  async #attributesOf(incoming: string, received: ReceivedInstance): Promise<QueryAttributeValues> {
    const { attributes } = await readInstance(incoming);
    if (
      attributes.get('SOPInstanceUID') !== received.sopInstanceUid ||
      attributes.get('SOPClassUID') !== received.sopClassUid
    )
      throw new InstanceRefusedError(
        Status.IdentifierDoesNotMatchSopClass,
        'the data set is of another SOP class or instance than the command says',
      );
    return attributes;
  }

  async #commit(
    incoming: string,
    received: ReceivedInstance,
    attributes: QueryAttributeValues,
  ): Promise<StoredInstance> {
    const existing = this.index.instance(received.sopInstanceUid);
    if (existing !== undefined) return this.#keep(existing, incoming);
    const study = join(this.#folder, attributes.get('StudyInstanceUID') ?? '');
    const series = join(study, attributes.get('SeriesInstanceUID') ?? '');
    await this.#ensureFolder(study, this.#folder);
    await this.#ensureFolder(series, study);
    const path = join(series, `${received.sopInstanceUid}.dcm`);
    const { size, mtimeMs } = await stat(incoming);
    await rename(incoming, path);
    try {
      await this.#directories.sync(series);
    } catch (error) {
      await unlink(path).catch(() => undefined); // whole, but not promised
      throw error;
    }
    const facts = {
      file: path.slice(this.#folder.length + 1),
      bytes: size,
      transferSyntaxUid: received.transferSyntaxUid,
      attributes,
    };
    const instance = this.index.add(facts);
    if (instance === null) throw new InternalError('an instance was stored twice at a time');
    this.#cache.add({ ...facts, mtimeMs: Math.trunc(mtimeMs) });
    return instance;
  }

  /** There is an instance of that UID: the same is kept, and another is not put in its place. */
  async #keep(existing: StoredInstance, incoming: string): Promise<StoredInstance> {
    const path = join(this.#folder, existing.file);
    if (!(await sameDataSet(path, incoming)))
      throw new InstanceRefusedError(
        Status.DuplicateSopInstance,
        'there is an instance of that UID with other bytes, which is kept',
      );
    await this.#directories.sync(join(path, '..')); // it may have been found here after a crash
    await unlink(incoming);
    return existing;
  }

  async #ensureFolder(folder: string, parent: string): Promise<void> {
    if (this.#safeFolders.has(folder)) return;
    await mkdir(folder, { recursive: true });
    await this.#directories.sync(parent);
    this.#safeFolders.add(folder);
  }

  /** One at a time of each UID. */
  async #inTurn<T>(uid: string, work: () => Promise<T>): Promise<T> {
    const before = this.#commits.get(uid) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(work);
    this.#commits.set(uid, turn);
    try {
      return await turn;
    } finally {
      if (this.#commits.get(uid) === turn) this.#commits.delete(uid);
    }
  }
}

/** Makes a folder with those above it that there are not, and sees to it that their names are on the disk. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  const directories = new DirectorySync();
  for (let made = resolve(folder); made.length >= resolve(first).length; made = dirname(made))
    await directories.sync(dirname(made));
}

async function write(handle: FileHandle, received: ReceivedInstance): Promise<void> {
  const { transferSyntaxUid: transferSyntax, ...rest } = received;
  let pieces = [encodeFileMeta({ ...rest, transferSyntax })];
  let length = 0;
  for await (const piece of received.dataSet) {
    pieces.push(piece);
    length += piece.length;
    if (length < WRITE_LENGTH) continue;
    await writeAll(handle, pieces);
    pieces = [];
    length = 0;
  }
  await writeAll(handle, pieces);
}

/** A full disk shows itself by a write that is short, and only the next one fails. */
async function writeAll(handle: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  if (pieces.length === 0) return;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const { bytesWritten } = await handle.writev(pieces);
  if (bytesWritten < length) await handle.appendFile(Buffer.concat(pieces).subarray(bytesWritten));
}

function asRefusal(error: unknown): unknown {
  if (error instanceof DataSetHeadError)
    return new InstanceRefusedError(Status.CannotUnderstand, error.problem, error);
  // A full disk, a folder that may not be written, too many open files, a disk that fails.
  if (error instanceof Error && 'syscall' in error)
    return new InstanceRefusedError(Status.OutOfResources, codeOfSystem(error), error);
  return error;
}

function codeOfSystem(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unexpected';
}

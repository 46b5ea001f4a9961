import { mkdir, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { InternalError } from '../../core/errors.js';
import { fileNameOf } from '../../core/ids.js';
import type { Logger } from '../../core/log.js';
import type { QueryAttributeValues } from './matching/index.js';
import { DataSetHeadError, InstanceRefusedError, NodeStartError } from '../errors.js';
import { Status } from '../message/status.js';
import { DirectorySync, syncFolder } from './directory-sync.js';
import { IncomingFile, type ReceivedInstance } from './incoming-file.js';
import { IndexCache } from './index-cache.js';
import type { InstanceFacts, InstanceIndex } from './instance-index.js';
import type { InstanceStore } from './instance-store.js';
import { loadIndex } from './load-index.js';
import { DicomFile, pieceBuffers } from './part10.js';
import { sameDataSet } from './same-data-set.js';
import type { StoredInstance } from './stored-instance.js';

/** Where instances are while they come in, within the store's folder, so that a rename brings them to their place. */
const INCOMING = '.incoming';
/**
 * Instances as DICOM files (PS3.10) in a folder: STUDY/SERIES/INSTANCE.dcm, named by their UIDs. A file has its final
 * name only when all of it is on the disk, and `store` resolves only when the name is, too (docs/adr/0011). One
 * process may use a folder.
 */
export class FileStore implements InstanceStore {
  readonly index: InstanceIndex;
  readonly #folder: string;
  readonly #cache: IndexCache;
  readonly #directories = new DirectorySync();
  readonly #buffers = pieceBuffers();
  /** Folders whose own entry is known to be on the disk. */
  readonly #safeFolders = new Set<string>();
  /** By SOP Instance UID: what is being put to its place. */
  readonly #commits = new Map<string, Promise<unknown>>();
  /** What nobody waits for when an instance is stored. */
  readonly #work = new Set<Promise<void>>();
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
    const incoming = new IncomingFile(join(this.#folder, INCOMING, String(this.#received)));
    try {
      const attributes = await incoming.receive(received);
      checkNames(received, attributes);
      return await this.#inTurn(received.sopInstanceUid, () => this.#commit(incoming, received, attributes));
    } catch (error) {
      await incoming.discard();
      throw asRefusal(error);
    }
  }

  /**
   * Opens the file of an instance; its pieces are to be released when they are done with.
   *
   * @throws DataSetHeadError, and what the file system says
   */
  open(instance: StoredInstance): Promise<DicomFile> {
    return DicomFile.open(join(this.#folder, instance.file), { buffers: this.#buffers });
  }

  /** Resolves when nothing is being written any more. No `store` may be under way. */
  async close(): Promise<void> {
    await Promise.all(this.#work);
    await this.#directories.close();
    await this.#cache.close();
  }

  async #commit(
    incoming: IncomingFile,
    received: ReceivedInstance,
    attributes: QueryAttributeValues,
  ): Promise<StoredInstance> {
    const existing = this.index.instance(received.sopInstanceUid);
    if (existing !== undefined) return this.#keep(existing, incoming);
    const study = join(this.#folder, fileNameOf(attributes.get('StudyInstanceUID') ?? ''));
    const series = join(study, fileNameOf(attributes.get('SeriesInstanceUID') ?? ''));
    await this.#ensureFolder(study, this.#folder);
    await this.#ensureFolder(series, study);
    const path = join(series, `${fileNameOf(received.sopInstanceUid)}.dcm`);
    await rename(incoming.path, path);
    try {
      await this.#directories.sync(series);
    } catch (error) {
      await unlink(path).catch(() => undefined); // whole, but not promised
      throw error;
    }
    const facts = {
      file: path.slice(this.#folder.length + 1),
      bytes: incoming.bytes,
      transferSyntaxUid: received.transferSyntaxUid,
      attributes,
    };
    const instance = this.index.add(facts);
    if (instance === null) throw new InternalError('an instance was stored twice at a time');
    this.#afterwards(() => this.#remember(incoming, facts));
    return instance;
  }

  /** There is an instance of that UID: the same is kept, and another is not put in its place. */
  async #keep(existing: StoredInstance, incoming: IncomingFile): Promise<StoredInstance> {
    const path = join(this.#folder, existing.file);
    if (!(await sameDataSet(path, incoming.path)))
      throw new InstanceRefusedError(
        Status.DuplicateSopInstance,
        'there is an instance of that UID with other bytes, which is kept',
      );
    await this.#directories.sync(join(path, '..')); // it may have been found here after a crash
    await incoming.discard();
    return existing;
  }

  /** Writes down for the next start what is known of an instance, and closes its file. */
  async #remember(incoming: IncomingFile, facts: InstanceFacts): Promise<void> {
    try {
      const { mtimeMs } = await incoming.stat();
      this.#cache.add({ ...facts, mtimeMs: Math.trunc(mtimeMs) });
    } finally {
      await incoming.close();
    }
  }

  /** What fails of it costs the next start the reading of a file, and no more. */
  #afterwards(work: () => Promise<void>): void {
    const done = work()
      .catch(() => undefined)
      .finally(() => this.#work.delete(done));
    this.#work.add(done);
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
  for (let made = resolve(folder); made.length >= resolve(first).length; made = dirname(made))
    await syncFolder(dirname(made));
}

/** PS3.4 B.2.3: what the command says must be what the data set says. */
function checkNames(received: ReceivedInstance, attributes: QueryAttributeValues): void {
  if (
    attributes.get('SOPInstanceUID') !== received.sopInstanceUid ||
    attributes.get('SOPClassUID') !== received.sopClassUid
  )
    throw new InstanceRefusedError(
      Status.IdentifierDoesNotMatchSopClass,
      'the data set is of another SOP class or instance than the command says',
    );
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

import { open, type FileHandle } from 'node:fs/promises';

/** So many folders stay open: senders fill one series after the other, some of them at a time. */
const KEPT_OPEN = 64;

/**
 * Makes the entries of folders safe (fsync of the folder). Those who ask while a folder is being synced share the next
 * sync of it. Folders stay open for the next sync, so none may be put in the place of another while this is in use.
 * {@link close} it.
 */
export class DirectorySync {
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();
  /** The one that was synced last at the end. */
  readonly #open = new Map<string, FileHandle>();

  /** Resolves when all that was done in the folder before the call is on the disk. @throws what the file system says */
  async sync(folder: string): Promise<void> {
    const running = this.#running.get(folder);
    if (running === undefined) return this.#start(folder);
    const next = this.#next.get(folder) ?? this.#after(folder, running);
    return next;
  }

  /** No `sync` may be under way, or follow. */
  async close(): Promise<void> {
    const handles = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(handles.map((handle) => handle.close()));
  }

  #start(folder: string): Promise<void> {
    const sync = this.#sync(folder).finally(() => {
      if (this.#running.get(folder) === sync) this.#running.delete(folder);
    });
    this.#running.set(folder, sync);
    return sync;
  }

  #after(folder: string, running: Promise<void>): Promise<void> {
    const next = running
      .catch(() => undefined) // told to those who wait for that one
      .then(() => {
        this.#next.delete(folder);
        return this.#start(folder);
      });
    this.#next.set(folder, next);
    return next;
  }

  async #sync(folder: string): Promise<void> {
    // Taken out while it is in use, so that nobody closes it.
    const handle = this.#open.get(folder) ?? (await open(folder, 'r'));
    this.#open.delete(folder);
    try {
      await handle.sync();
    } catch (error) {
      await handle.close();
      throw error;
    }
    if (this.#open.has(folder)) return handle.close(); // another sync of it began when one had just ended
    this.#open.set(folder, handle);
    if (this.#open.size > KEPT_OPEN) await this.#closeOldest();
  }

  async #closeOldest(): Promise<void> {
    for (const [folder, handle] of this.#open) {
      this.#open.delete(folder);
      return handle.close();
    }
  }
}

/** The same for one folder, once. @throws what the file system says */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

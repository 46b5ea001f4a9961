import type { MessageProperties } from '../message-properties.js';
import { MAX_PRIORITY, type PublishChannel } from '../broker.js';
import { UnroutableError } from '../errors.js';
import { within } from '../within.js';
import { PUBLISH } from './statements.js';
import type { TableLink } from './table-link.js';

interface Outgoing {
  readonly queue: string;
  readonly body: Buffer;
  readonly properties: MessageProperties;
  readonly expirationMs: number | null;
  readonly settle: (error: Error | null) => void;
}

/** What one transaction takes: a commit waits for the disk, so what comes meanwhile goes with the next. */
const MAX_MESSAGES = 500;
const MAX_BYTES = 4 * 1024 * 1024;

/** Stores messages, those that come at the same time in one transaction. A publish resolves when it is committed. */
export class TablePublishChannel implements PublishChannel {
  readonly #link: TableLink;
  readonly #timeoutMs: number;
  readonly #stored: (queues: ReadonlySet<string>) => void;
  #waiting: Outgoing[] = [];
  #underWay = 0;
  #storing: Promise<void> | undefined;
  #closed = false;

  /** @param stored called after each commit, with the queues that got something */
  constructor(link: TableLink, timeoutMs: number, stored: (queues: ReadonlySet<string>) => void) {
    this.#link = link;
    this.#timeoutMs = timeoutMs;
    this.#stored = stored;
  }

  get unconfirmed(): number {
    return this.#underWay;
  }

  async publish(
    queue: string,
    body: Buffer,
    properties: MessageProperties,
    expirationMs?: number,
  ): Promise<void> {
    if (this.#closed) throw this.#link.unavailable('wait to publish', 'the publisher is closed');
    await this.#link.ready('wait to publish', this.#timeoutMs);
    this.#underWay += 1;
    const confirm = new Promise<void>((resolve, reject) => {
      const settle = (error: Error | null): void => (error === null ? resolve() : reject(error));
      this.#waiting.push({ queue, body, properties, expirationMs: expirationMs ?? null, settle });
    });
    this.#storing ??= this.#store();
    const late = (): Error =>
      this.#link.unavailable('wait for the confirm', `none for ${this.#timeoutMs} ms`);
    try {
      await within(confirm, this.#timeoutMs, late);
    } finally {
      this.#underWay -= 1;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#storing;
  }

  async #store(): Promise<void> {
    await Promise.resolve(); // those of the same moment go together
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      try {
        const there = await this.#insert(batch);
        for (const { queue, settle } of batch)
          settle(there.has(queue) ? null : new UnroutableError(this.#link.broker, queue));
        this.#stored(there);
      } catch (error) {
        const failure =
          error instanceof Error ? error : this.#link.unavailable('basic.publish', 'not stored');
        for (const { settle } of batch) settle(failure);
      }
    }
    this.#storing = undefined;
  }

  #nextBatch(): Outgoing[] {
    let [count, bytes] = [0, 0];
    for (const { body } of this.#waiting) {
      bytes += body.length;
      if (count === MAX_MESSAGES || (count > 0 && bytes > MAX_BYTES)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #insert(batch: readonly Outgoing[]): Promise<ReadonlySet<string>> {
    const rows = await this.#link.query<{ name: string }>('basic.publish', PUBLISH, [
      batch.map(({ queue }) => queue),
      batch.map(({ properties }) => Math.min(properties.priority ?? 0, MAX_PRIORITY)),
      batch.map(({ properties }) => JSON.stringify(properties)),
      batch.map(({ body }) => body),
      batch.map(({ expirationMs }) => expirationMs),
    ]);
    return new Set(rows.map(({ name }) => name));
  }
}

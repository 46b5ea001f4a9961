import { Ledger, type Ending, type Transfer } from '../../src/core/db/index.js';
import { withDatabaseAt } from '../peers/db/fixture.js';
import type { SoakSite } from './site.js';
import type { SoakMessage } from './traffic.js';

/** What was published, and what the ledger says of it. */
export class Books {
  readonly #site: SoakSite;
  readonly #published = new Map<string, SoakMessage>();
  #rows: readonly Transfer[] = [];

  constructor(site: SoakSite) {
    this.#site = site;
  }

  add(message: SoakMessage): void {
    this.#published.set(keyOf(message), message);
  }

  get published(): number {
    return this.#published.size;
  }

  /** Published, and not in the ledger when it was looked into last. */
  get open(): SoakMessage[] {
    const ended = new Set(this.#rows.map(({ procedureOccurrenceId }) => procedureOccurrenceId));
    let rejected = this.#rows.filter(({ outcome }) => outcome === 'rejected').length;
    // What can't be read has no name in the ledger: they are only counted.
    return [...this.#published.values()].filter(({ id }) =>
      id === null ? (rejected -= 1) < 0 : !ended.has(id),
    );
  }

  /** Reads the ledger. @throws while the database is away */
  async refresh(): Promise<void> {
    const rows: Transfer[] = [];
    await withDatabaseAt(this.#site.database, async (database) => {
      for await (const row of new Ledger(database).list()) rows.push(row);
    });
    this.#rows = rows;
  }

  /** How many messages ended how. */
  outcomes(): Partial<Record<Ending, number>> {
    const counts: Partial<Record<Ending, number>> = {};
    for (const { outcome } of this.#rows) counts[outcome] = (counts[outcome] ?? 0) + 1;
    return counts;
  }

  /** How many messages needed how many attempts. */
  attempts(): Record<number, number> {
    const counts: Record<number, number> = {};
    for (const { attempts } of this.#rows) counts[attempts] = (counts[attempts] ?? 0) + 1;
    return counts;
  }

  images(): Transfer['images'] {
    const sum = (what: keyof Transfer['images']): number =>
      this.#rows.reduce((total, { images }) => total + images[what], 0);
    return {
      expected: sum('expected'),
      alreadyInRaw: sum('alreadyInRaw'),
      retrieved: sum('retrieved'),
      delivered: sum('delivered'),
    };
  }

  /**
   * Held against the queues and anon when all is over: each message once, as it was bound to end or failed, and what is
   * called delivered is in anon.
   *
   * @returns what does not balance; empty when all does
   */
  async imbalance(): Promise<string[]> {
    await this.refresh();
    const wrong: string[] = [];
    const open = this.open.length;
    if (open > 0) wrong.push(`${open} messages are in no row of the ledger`);
    if (this.#rows.length !== this.#published.size)
      wrong.push(`${this.#published.size} messages were published, the ledger has ${this.#rows.length} rows`);
    const { primary, secondary, failed } = await this.#site.deployment.depths();
    if (primary + secondary > 0) wrong.push(`${primary + secondary} messages are still on the queues`);
    const unsuccessful = this.#rows.filter(({ outcome }) => outcome !== 'delivered').length;
    // A broker that goes away before its confirm may have a message twice.
    if (failed < unsuccessful) wrong.push(`${unsuccessful} ended badly, the failed queue has ${failed}`);
    return [...wrong, ...(await this.#wrongRows())];
  }

  async #wrongRows(): Promise<string[]> {
    const wrong: string[] = [];
    const inAnon = new Set(await this.#site.lab.anon.sopInstanceUids());
    for (const { procedureOccurrenceId: id, outcome, code, images } of this.#rows) {
      if (id === null) continue;
      const message = this.#published.get(`${id}`);
      if (message === undefined) wrong.push(`the ledger has message ${id}, which was not published`);
      else if (outcome === 'delivered') {
        const { sopInstanceUids } = message;
        if (message.outcome !== outcome || images.delivered !== sopInstanceUids.length)
          wrong.push(
            `message ${id}: ${images.delivered} of ${sopInstanceUids.length} images called delivered`,
          );
        else if (sopInstanceUids.some((uid) => !inAnon.has(uid)))
          wrong.push(`message ${id}: delivered, and not in anon`);
      } else if (outcome !== message.outcome) wrong.push(`message ${id}: ${outcome}, ${code ?? 'no code'}`);
    }
    return wrong;
  }
}

function keyOf({ id, body }: SoakMessage): string {
  return id === null ? body.toString('latin1') : `${id}`;
}

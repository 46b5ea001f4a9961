import { Ledger, type Ending, type Transfer } from '../../src/core/db/index.js';
import { SCHEMA } from '../../src/core/db/migrations/migration.js';
import { withDatabaseAt } from '../peers/db/fixture.js';
import { expectBalance, expectEndings, type Balance } from '../peers/faults/balance.js';
import type { SoakSite } from './site.js';
import type { SoakMessage } from './traffic.js';

/** What was published, and what has become of it. */
export class Accounts {
  readonly #site: SoakSite;
  readonly #published = new Map<string, SoakMessage>();
  #ended: ReadonlySet<string> = new Set();
  #rows: readonly Transfer[] = [];
  #repeated = 0;

  constructor(site: SoakSite) {
    this.#site = site;
  }

  add(message: SoakMessage): void {
    this.#published.set(message.key, message);
  }

  get published(): number {
    return this.#published.size;
  }

  /** Published, and not in the ledger when it was looked into last. */
  get open(): SoakMessage[] {
    return [...this.#published.values()].filter(({ key }) => !this.#ended.has(key));
  }

  /** Looks into the ledger. @throws while the database is away */
  async refresh(): Promise<void> {
    await withDatabaseAt(this.#site.database, async (database) => {
      const { rows } = await database.query<{ readonly message_key: string }>(
        `SELECT message_key FROM ${SCHEMA}.transfer`,
      );
      this.#ended = new Set(rows.map((row) => row.message_key));
    });
  }

  /**
   * Held against ledger, queues and anon when all is over: each message once, as it was bound to end, and what is called
   * delivered is in anon.
   *
   * @returns what does not balance; empty when all does
   */
  async imbalance(): Promise<string[]> {
    const { deployment, rabbitmq, database } = this.#site;
    const messages = [...this.#published.values()];
    this.#rows = await withDatabaseAt(database, async (open) => {
      const rows: Transfer[] = [];
      for await (const row of new Ledger(open).list()) rows.push(row);
      return rows;
    });
    try {
      const balance = await expectBalance(
        messages,
        { queues: deployment.queues, rabbitmq, database },
        Infinity,
      );
      this.#repeated = balance.repeated;
      expectEndings(messages, balance);
      return await this.#notWhole(balance);
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  }

  async #notWhole({ rows }: Balance): Promise<string[]> {
    const inAnon = new Set(await this.#site.lab.anon.sopInstanceUids());
    return [...this.#published.values()].flatMap(({ key, kind, sopInstanceUids }) => {
      const row = rows.get(key);
      if (row?.outcome !== 'delivered') return [];
      const there = sopInstanceUids.filter((uid) => inAnon.has(uid)).length;
      const isWhole = there === sopInstanceUids.length && row.delivered === there && row.expected === there;
      return isWhole
        ? []
        : [`${kind}: ${row.delivered} of ${sopInstanceUids.length} called delivered, ${there} in anon`];
    });
  }

  /** The figures: known after `imbalance`. */
  get repeated(): number {
    return this.#repeated;
  }

  /** How many messages ended how. */
  outcomes(): Partial<Record<Ending, number>> {
    return countsOf(this.#rows.map(({ outcome }) => outcome));
  }

  /** How many messages needed how many attempts. */
  attempts(): Partial<Record<number, number>> {
    return countsOf(this.#rows.map(({ attempts }) => attempts));
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
}

function countsOf<K extends string | number>(all: readonly K[]): Partial<Record<K, number>> {
  const counts: Partial<Record<K, number>> = {};
  for (const one of all) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}

import { bodyKey, Ledger, LOOKUP_BATCH, type Database, type Ending } from '../db/index.js';
import type { Cohort } from './cohort.js';
import type { CohortMessage } from './cohort-message.js';
import { PlaceKeeper, type Place } from './place-keeper.js';
import { PopulateLock } from './populate-lock.js';
import { ProjectTables } from './project-tables.js';

export interface PopulateOptions {
  readonly database: Database;
  readonly queues: readonly string[];
  /** Resolves when the broker has confirmed all of them. */
  readonly publish: (queue: string, bodies: readonly Buffer[]) => Promise<void>;
  /** null = each study is asked for once, and nothing is waited for. */
  readonly retries: PopulateRetries | null;
  /** Called after each batch, and once before the first: messages done of all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends it after the batch that is under way; its place is kept. */
  readonly signal?: AbortSignal;
}

export interface PopulateRetries {
  /** How often what has not arrived is asked for again. */
  readonly most: number;
  /** With which endings of its message a study is where the deployment takes it by itself. */
  readonly arrivedAs: readonly Ending[];
  /** Called when all is published: what is to happen for it to arrive. */
  readonly start: () => Promise<void>;
  /** Resolves when it may be expected to have arrived, or the run is cancelled. */
  readonly wait: () => Promise<void>;
  readonly onCounted?: (counted: Counted, total: number) => void;
}

/** Of a cohort's studies, each message one. */
export interface Counted {
  /** Their messages ended so. */
  readonly delivered: number;
  /** The rules want nothing of them. */
  readonly excluded: number;
  /** They are in the safe haven. */
  readonly exported: number;
  /** They are exported, or ended as it is enough (`arrivedAs`). */
  readonly arrived: number;
}

export interface PopulateResult {
  readonly messages: number;
  readonly published: number;
  readonly alreadyExported: number;
  /** Messages that an earlier run, which was broken off, had done; they are in neither of the others. */
  readonly doneBefore: number;
  /** The last count; null = they were not counted. */
  readonly counted: Counted | null;
  /** false = cancelled; the next run goes on there. */
  readonly isComplete: boolean;
}

/** What a kill may send twice. */
const BATCH = 1_000;

/** Messages of a cohort that are in PIXL's tables. */
interface LookedUp {
  readonly messages: readonly CohortMessage[];
  /** They need not be asked for. */
  readonly isDone: (one: CohortMessage) => boolean;
}

/**
 * Publishes what is not exported of a cohort, and enters it into PIXL's tables, in batches: look up, enter, publish with
 * confirms, and then note the place. Then, as PIXL's CLI does, it waits and asks again for what has not arrived, while
 * each round brings more. A run that was broken off, wherever, goes on there (docs/adr/0007-populate-keeps-its-place.md).
 *
 * The counts of published messages are those of this run's first round.
 *
 * @throws PopulateRunningError when another run has one of the cohort's projects in hand
 */
export async function populateCohort(cohort: Cohort, options: PopulateOptions): Promise<PopulateResult> {
  const lock = new PopulateLock(options.database, [...cohort.projects.keys()]);
  try {
    await lock.hold();
    return await new Population(cohort, options, lock).run();
  } finally {
    await lock.release();
  }
}

class Population {
  readonly #cohort: Cohort;
  readonly #options: PopulateOptions;
  readonly #lock: PopulateLock;
  readonly #places: PlaceKeeper;
  readonly #tables: ProjectTables;
  readonly #ledger: Ledger;

  constructor(cohort: Cohort, options: PopulateOptions, lock: PopulateLock) {
    this.#cohort = cohort;
    this.#options = options;
    this.#lock = lock;
    this.#places = new PlaceKeeper(options.database, cohort, options.queues);
    this.#tables = new ProjectTables(options.database);
    this.#ledger = new Ledger(options.database);
  }

  async run(): Promise<PopulateResult> {
    const { retries } = this.#options;
    let place = await this.#places.read();
    const first = { ...(await this.#publish(place)), doneBefore: place.done };
    let counted: Counted | null = null;
    if (retries !== null && !this.#isCancelled()) await retries.start();
    while (!this.#isCancelled() && retries !== null && retries.most > 0) {
      await retries.wait();
      if (this.#isCancelled()) break;
      counted = await this.#count(retries.arrivedAs);
      retries.onCounted?.(counted, this.#total);
      const { arrived } = counted;
      if (arrived >= this.#total || arrived === place.arrived || place.round >= retries.most) break;
      place = { round: place.round + 1, done: 0, arrived };
      await this.#places.write(place);
      await this.#publish(place);
    }
    const isComplete = !this.#isCancelled();
    if (isComplete) await this.#places.forget();
    return { messages: this.#total, ...first, counted, isComplete };
  }

  get #total(): number {
    return this.#cohort.counts.messages;
  }

  #isCancelled(): boolean {
    return this.#options.signal?.aborted === true;
  }

  /** One round, from its place on. While batches are being published the next ones are looked up and entered. */
  async #publish(place: Place): Promise<Pick<PopulateResult, 'published' | 'alreadyExported'>> {
    const { queues, publish, onProgress } = this.#options;
    let [{ done }, published] = [place, 0];
    onProgress?.(done, this.#total);
    for await (const { size, bodies } of this.#entered(done, place.round)) {
      if (this.#isCancelled()) break;
      await this.#lock.hold();
      for (const queue of queues) await publish(queue, bodies);
      done += size;
      published += bodies.length;
      await this.#places.write({ ...place, done });
      onProgress?.(done, this.#total);
    }
    return { published, alreadyExported: done - place.done - published };
  }

  /** Batches that are in the tables: their sizes, and the bodies of what is not exported. */
  async *#entered(
    from: number,
    round: number,
  ): AsyncGenerator<{ readonly size: number; readonly bodies: readonly Buffer[] }, void, undefined> {
    for await (const { messages, isDone } of ahead(this.#lookedUp(from, round)))
      for (const batch of batches(messages, BATCH)) {
        const left = batch.filter((one) => !isDone(one));
        yield { size: batch.length, bodies: left.map(({ body }) => body) };
      }
  }

  /** A study that is asked for again need not be delivered again; one that is asked for at first may have been lost since. */
  async *#lookedUp(from: number, round: number): AsyncGenerator<LookedUp, void, undefined> {
    const arrivedAs = round === 0 ? [] : (this.#options.retries?.arrivedAs ?? []);
    for (const messages of batches(this.#cohort.messages(from), LOOKUP_BATCH)) {
      const exported = await this.#tables.enter(messages);
      const ended = await this.#ended(messages, arrivedAs);
      yield { messages, isDone: (one) => exported.has(one) || ended(one) !== undefined };
    }
  }

  async #count(arrivedAs: readonly Ending[]): Promise<Counted> {
    const count = { delivered: 0, exported: 0, excluded: 0, arrived: 0 };
    for (const messages of batches(this.#cohort.messages(), LOOKUP_BATCH)) {
      const exported = await this.#tables.exported(messages);
      const ended = await this.#ended(messages, ['delivered', ...arrivedAs]);
      for (const one of messages) {
        const ending = ended(one);
        if (ending === 'delivered') count.delivered += 1;
        if (ending === 'excluded') count.excluded += 1;
        if (exported.has(one)) count.exported += 1;
        if (exported.has(one) || (ending !== undefined && arrivedAs.includes(ending))) count.arrived += 1;
      }
    }
    return count;
  }

  /** How the messages ended, of those that ended in one of these ways. */
  async #ended(
    messages: readonly CohortMessage[],
    endings: readonly Ending[],
  ): Promise<(one: CohortMessage) => Ending | undefined> {
    if (endings.length === 0) return () => undefined;
    const keys = new Map(messages.map((one) => [one, bodyKey(one.body)]));
    const found = await this.#ledger.endedAs([...keys.values()], endings);
    return (one) => found.get(keys.get(one) ?? '');
  }
}

/** The same items; the next is made while one is being used. */
async function* ahead<T>(items: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  let next = items.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done === true) return;
      next = items.next();
      next.catch(() => undefined); // thrown when it is awaited, if it still is
      yield value;
    }
  } finally {
    await next.catch(() => undefined);
    await items.return();
  }
}

function* batches(
  messages: Iterable<CohortMessage>,
  size: number,
): Generator<CohortMessage[], void, undefined> {
  let batch: CohortMessage[] = [];
  for (const one of messages) {
    batch.push(one);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

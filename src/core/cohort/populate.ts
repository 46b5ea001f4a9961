import { LOOKUP_BATCH, type Database } from '../db/index.js';
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
  /** How often what is not exported is asked for again. */
  readonly most: number;
  /** Called when all is published: what is to happen for it to be exported. */
  readonly start: () => Promise<void>;
  /** Resolves when it may be expected to be exported, or the run is cancelled. */
  readonly wait: () => Promise<void>;
  readonly onCounted?: (exported: number, total: number) => void;
}

export interface PopulateResult {
  readonly messages: number;
  readonly published: number;
  readonly alreadyExported: number;
  /** Messages that an earlier run, which was broken off, had done; they are in neither of the others. */
  readonly doneBefore: number;
  /** How many were exported at the last count; null = they were not counted. */
  readonly exported: number | null;
  /** false = cancelled; the next run goes on there. */
  readonly isComplete: boolean;
}

/** What a kill may send twice. */
const BATCH = 1_000;

/** Messages of a cohort that are in PIXL's tables. */
interface LookedUp {
  readonly messages: readonly CohortMessage[];
  readonly exported: ReadonlySet<CohortMessage>;
}

/**
 * Publishes what is not exported of a cohort, and enters it into PIXL's tables, in batches: look up, enter, publish with
 * confirms, and then note the place. Then, as PIXL's CLI does, it waits and asks again for what is not exported, while
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

  constructor(cohort: Cohort, options: PopulateOptions, lock: PopulateLock) {
    this.#cohort = cohort;
    this.#options = options;
    this.#lock = lock;
    this.#places = new PlaceKeeper(options.database, cohort, options.queues);
    this.#tables = new ProjectTables(options.database);
  }

  async run(): Promise<PopulateResult> {
    const { retries } = this.#options;
    let place = await this.#places.read();
    const first = { ...(await this.#publish(place)), doneBefore: place.done };
    let exported: number | null = null;
    if (retries !== null && !this.#isCancelled()) await retries.start();
    while (!this.#isCancelled() && retries !== null && retries.most > 0) {
      await retries.wait();
      if (this.#isCancelled()) break;
      exported = await this.#countExported();
      retries.onCounted?.(exported, this.#total);
      if (exported >= this.#total || exported === place.exported || place.round >= retries.most) break;
      place = { round: place.round + 1, done: 0, exported };
      await this.#places.write(place);
      await this.#publish(place);
    }
    const isComplete = !this.#isCancelled();
    if (isComplete) await this.#places.forget();
    return { messages: this.#total, ...first, exported, isComplete };
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
    for await (const { size, bodies } of this.#entered(done)) {
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
  ): AsyncGenerator<{ readonly size: number; readonly bodies: readonly Buffer[] }, void, undefined> {
    for await (const { messages, exported } of ahead(this.#lookedUp(from)))
      for (const batch of batches(messages, BATCH)) {
        const left = batch.filter((one) => !exported.has(one));
        yield { size: batch.length, bodies: left.map(({ body }) => body) };
      }
  }

  async *#lookedUp(from: number): AsyncGenerator<LookedUp, void, undefined> {
    for (const messages of batches(this.#cohort.messages(from), LOOKUP_BATCH))
      yield { messages, exported: await this.#tables.enter(messages) };
  }

  async #countExported(): Promise<number> {
    let exported = 0;
    for (const batch of batches(this.#cohort.messages(), LOOKUP_BATCH))
      exported += (await this.#tables.exported(batch)).size;
    return exported;
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

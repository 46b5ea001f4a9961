import { createHash } from 'node:crypto';
import {
  addImages,
  exportedStudies,
  findOrCreateExtract,
  getSetting,
  removeSetting,
  setSetting,
  type CohortImage,
  type Database,
} from '../db/index.js';
import type { ImagingMessage } from '../message.js';
import { slugify } from '../slug/slug.js';
import type { Cohort, CohortMessage } from './cohort.js';

export interface PopulateOptions {
  readonly database: Database;
  readonly queues: readonly string[];
  /** Resolves when the broker has confirmed all of them. */
  readonly publish: (queue: string, bodies: readonly Buffer[]) => Promise<void>;
  /** Called after each batch, and once before the first: messages done of all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends it after the batch that is under way; its place is kept. */
  readonly signal?: AbortSignal;
}

export interface PopulateResult {
  readonly messages: number;
  readonly published: number;
  readonly alreadyExported: number;
  /** Messages that an earlier run, which was broken off, had done; they are in neither of the others. */
  readonly doneBefore: number;
  /** false = cancelled; the next run goes on there. */
  readonly isComplete: boolean;
}

/** What a kill may send twice, and what one statement of the database takes. */
const BATCH = 1_000;

/**
 * Publishes what is not exported of a cohort, and enters it into PIXL's tables, in batches: look up, enter, publish with
 * confirms, and then note the place. A run that was broken off, however, goes on with the batch it was in
 * (docs/adr/0007-populate-keeps-its-place.md).
 */
export async function populateCohort(cohort: Cohort, options: PopulateOptions): Promise<PopulateResult> {
  const { database, queues, publish, onProgress, signal } = options;
  const total = cohort.counts.messages;
  const key = placeKey(cohort, queues);
  const doneBefore = placeOf((await getSetting(database, key))?.value, total);
  const projects = new Projects(database);
  let [done, published] = [doneBefore, 0];
  onProgress?.(done, total);
  for (const batch of batches(cohort.messages(doneBefore))) {
    if (signal?.aborted === true) break;
    const bodies = await projects.enter(batch);
    for (const queue of queues) await publish(queue, bodies);
    done += batch.length;
    published += bodies.length;
    await setSetting(database, key, { place: done });
    onProgress?.(done, total);
  }
  const isComplete = done >= total;
  if (isComplete) await removeSetting(database, key);
  return {
    messages: total,
    published,
    alreadyExported: done - doneBefore - published,
    doneBefore,
    isComplete,
  };
}

/** How many of the cohort's studies are exported. */
export async function countExported(cohort: Cohort, database: Database): Promise<number> {
  const projects = new Projects(database);
  let exported = 0;
  for (const batch of batches(cohort.messages())) exported += (await projects.exported(batch)).size;
  return exported;
}

/** The project's rows in PIXL's tables. */
class Projects {
  readonly #database: Database;
  readonly #extracts = new Map<string, number>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Enters those that are not exported. @returns the bodies of these, in their order */
  async enter(batch: readonly CohortMessage[]): Promise<Buffer[]> {
    const exported = await this.exported(batch);
    const left = batch.filter((one) => !exported.has(one));
    for (const [project, messages] of byProject(left))
      await addImages(this.#database, await this.#extractOf(project), messages.map(imageOf));
    return left.map(({ body }) => body);
  }

  async exported(batch: readonly CohortMessage[]): Promise<ReadonlySet<CohortMessage>> {
    const exported = new Set<CohortMessage>();
    for (const [project, messages] of byProject(batch)) {
      const flags = await exportedStudies(
        this.#database,
        await this.#extractOf(project),
        messages.map(imageOf),
      );
      for (const [index, one] of messages.entries()) if (flags[index] === true) exported.add(one);
    }
    return exported;
  }

  async #extractOf(project: string): Promise<number> {
    const slug = slugify(project) || project;
    const known = this.#extracts.get(slug);
    if (known !== undefined) return known;
    const id = await findOrCreateExtract(this.#database, slug);
    this.#extracts.set(slug, id);
    return id;
  }
}

function byProject(messages: readonly CohortMessage[]): Map<string, CohortMessage[]> {
  const projects = new Map<string, CohortMessage[]>();
  for (const one of messages) {
    const { projectName } = one.message;
    const others = projects.get(projectName);
    if (others === undefined) projects.set(projectName, [one]);
    else others.push(one);
  }
  return projects;
}

function imageOf({ message }: { readonly message: ImagingMessage }): CohortImage {
  return {
    accessionNumber: message.accessionNumber ?? '',
    mrn: message.mrn ?? '',
    studyDate: message.studyDate,
    studyUid: message.studyInstanceUid,
  };
}

function* batches(messages: Iterable<CohortMessage>): Generator<CohortMessage[], void, undefined> {
  let batch: CohortMessage[] = [];
  for (const one of messages) {
    batch.push(one);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The same cohort on other queues is another job. */
function placeKey(cohort: Cohort, queues: readonly string[]): string {
  const job = JSON.stringify([cohort.digest, ...[...queues].sort()]);
  return `populate ${createHash('sha256').update(job).digest('hex').slice(0, 32)}`;
}

function placeOf(value: unknown, total: number): number {
  const place = (value as { place?: unknown } | null | undefined)?.place;
  return typeof place === 'number' && Number.isSafeInteger(place) && place > 0 && place <= total ? place : 0;
}

import { createHash } from 'node:crypto';
import { getSetting, removeSetting, setSetting, type Database } from '../db/index.js';
import type { Cohort } from './cohort.js';

/** How far the populating of a cohort has come. */
export interface Place {
  /** How often what had not arrived has been asked for again. */
  readonly round: number;
  /** Messages of this round that are done. */
  readonly done: number;
  /** How many had arrived when the round began. */
  readonly arrived: number;
}

const START: Place = { round: 0, done: 0, arrived: 0 };

/** Keeps the place of one cohort on its way to some queues in the database. The same cohort on other queues is another job. */
export class PlaceKeeper {
  readonly #database: Database;
  readonly #key: string;
  readonly #total: number;

  constructor(database: Database, cohort: Cohort, queues: readonly string[]) {
    const job = JSON.stringify([cohort.digest, ...[...queues].sort()]);
    this.#database = database;
    this.#key = `populate ${createHash('sha256').update(job).digest('hex').slice(0, 32)}`;
    this.#total = cohort.counts.messages;
  }

  async read(): Promise<Place> {
    const value = (await getSetting(this.#database, this.#key))?.value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return START;
    const { round, done, arrived } = value as Partial<Record<keyof Place, unknown>>;
    const place = { round: count(round), done: count(done), arrived: count(arrived) };
    return place.done <= this.#total ? place : START;
  }

  async write(place: Place): Promise<void> {
    await setSetting(this.#database, this.#key, { ...place });
  }

  /** The next run begins at the start. */
  async forget(): Promise<void> {
    await removeSetting(this.#database, this.#key);
  }
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

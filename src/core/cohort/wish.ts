import { hash } from 'node:crypto';
import type { SeriesInstanceUid } from '../ids.js';
import { MAX_SERIES_PER_MESSAGE, type ImagingMessage } from '../message.js';
import { CohortMessage } from './cohort-message.js';
import { CohortFileError } from './errors.js';

/** Characters of a key: half of a SHA-256 in base64, which no two wishes share. */
const KEY_LENGTH = 22;
const DATE_LENGTH = 10;
const SEQUENCE_LENGTH = 12;
const ORDER_LENGTH = DATE_LENGTH + SEQUENCE_LENGTH;

/** A row as a line that sorts by its wish, then by its study date, then by its place in the cohort. */
export function wishLine(message: ImagingMessage, pseudoPatientId: string | null, row: number): string {
  const { projectName, mrn, accessionNumber, studyInstanceUid, studyDate } = message;
  const wish = JSON.stringify([projectName, mrn, accessionNumber, studyInstanceUid]);
  const key = hash('sha256', wish, 'base64').slice(0, KEY_LENGTH);
  const sequence = String(row).padStart(SEQUENCE_LENGTH, '0');
  return `${key}${studyDate}${sequence}${CohortMessage.lineOf(message, pseudoPatientId)}`;
}

/** A wish's line without what it was ordered by. */
export function messageLine(orderedLine: string): string {
  return orderedLine.slice(ORDER_LENGTH);
}

/** Rows that ask for the same study. For other series of it they are one message; a row without series asks for all. */
export class Wish {
  /** That of the row with the earliest date, of those the first. */
  readonly message: CohortMessage;
  readonly #first: string;
  /** null = the first row alone says which. */
  #series: Set<SeriesInstanceUid> | null = null;
  #isWhole: boolean;

  constructor(line: string) {
    this.#first = line;
    this.message = rowOf(line);
    this.#isWhole = this.message.isWholeStudy;
  }

  /** A line that sorts by date, then by the row's place. */
  get orderedLine(): string {
    const first = this.#first.slice(KEY_LENGTH);
    if (this.#series === null) return first;
    const { message, pseudoPatientId } = this.message;
    const seriesInstanceUids = this.#isWhole ? [] : [...this.#series];
    return (
      first.slice(0, ORDER_LENGTH) + CohortMessage.lineOf({ ...message, seriesInstanceUids }, pseudoPatientId)
    );
  }

  isAskedBy(line: string): boolean {
    return this.#first.startsWith(line.slice(0, KEY_LENGTH));
  }

  join(line: string): void {
    if (this.#isWhole) return;
    this.#series ??= new Set(this.message.message.seriesInstanceUids);
    const { seriesInstanceUids } = rowOf(line).message;
    this.#isWhole = seriesInstanceUids.length === 0;
    for (const uid of seriesInstanceUids) this.#series.add(uid);
    if (this.#series.size > MAX_SERIES_PER_MESSAGE)
      throw new CohortFileError('the cohort', `more than ${MAX_SERIES_PER_MESSAGE} series of one study`);
  }
}

function rowOf(line: string): CohortMessage {
  return new CohortMessage(line.slice(KEY_LENGTH + ORDER_LENGTH));
}

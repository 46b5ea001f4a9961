import { createHash, hash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import {
  encodeImagingMessage,
  MAX_SERIES_PER_MESSAGE,
  MessageRejectedError,
  parseImagingMessageFields,
  type ImagingMessage,
} from '../message.js';
import { csvSource } from './csv-source.js';
import { CohortFileError, CohortRowsError, MOST_NAMED_ROWS, type BadRow } from './errors.js';
import type { SeriesInstanceUid } from '../ids.js';
import { ExternalSort } from './external-sort.js';
import { omopSource } from './omop-source.js';
import type { CohortSource, SourceRow } from './source.js';
import { SpillFile } from './spill-file.js';

/** Every row is in exactly one of these but `rows`, which counts all; a message may stand for several rows. */
export interface CohortCounts {
  readonly rows: number;
  /** Without an accession number (of an OMOP extract), with neither that nor a study UID (of a CSV). */
  readonly leftOut: number;
  readonly duplicates: number;
  readonly bad: number;
  readonly messages: number;
}

export interface CohortMessage {
  readonly message: ImagingMessage;
  /** The message as it is published. */
  readonly body: Buffer;
}

export interface ReadCohortOptions {
  /** Go on without rows that no message can be made of. */
  readonly skipBadRows?: boolean;
  /** Called now and then with the number of rows read. */
  readonly onProgress?: (rows: number) => void;
}

/** A project is a hospital's word for a study of its own; a file with more of them has its columns mixed up. */
const MAX_PROJECTS = 10_000;

/** A cohort that was read and found good: its messages are on disk, each wish once, the earliest study date first. */
export class Cohort {
  readonly counts: CohortCounts;
  /** How many messages each project has. */
  readonly projects: ReadonlyMap<string, number>;
  /** The first of the bad rows that were skipped. */
  readonly badRows: readonly BadRow[];
  /** The same for the same messages in the same order. */
  readonly digest: string;
  readonly #messages: SpillFile;

  constructor(
    parts: Pick<Cohort, 'counts' | 'projects' | 'badRows' | 'digest'> & { readonly messages: SpillFile },
  ) {
    this.counts = parts.counts;
    this.projects = parts.projects;
    this.badRows = parts.badRows;
    this.digest = parts.digest;
    this.#messages = parts.messages;
  }

  /** The messages from that place on, as often as they are asked for. */
  *messages(from = 0): Generator<CohortMessage, void, undefined> {
    let place = 0;
    for (const line of this.#messages.lines()) {
      place += 1;
      if (place <= from) continue;
      yield { message: parseImagingMessageFields(JSON.parse(line)), body: Buffer.from(line) };
    }
  }

  /** Gives the disk back. */
  close(): void {
    this.#messages.close();
  }
}

/**
 * Reads a cohort: an OMOP extract's folder, or a CSV. All of it is read and checked before anything is given out, in
 * bounded memory. The caller closes it.
 *
 * @throws CohortFileError, CohortRowsError
 */
export async function readCohort(path: string, options: ReadCohortOptions = {}): Promise<Cohort> {
  const reading = new CohortReading(options);
  try {
    const source: CohortSource = isFolder(path) ? omopSource(path, () => reading.leftOut()) : csvSource(path);
    for await (const rows of source) reading.take(rows);
    return reading.finish();
  } finally {
    reading.close();
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new CohortFileError(
      basename(path),
      code === 'ENOENT' ? 'there is no such file' : `can't be read (${code})`,
      error,
    );
  }
}

/** Characters of a key: half of a SHA-256 in base64, which no two wishes share. */
const KEY_LENGTH = 22;
const DATE_LENGTH = 10;
const SEQUENCE_LENGTH = 12;
const WISH_HEAD = KEY_LENGTH + DATE_LENGTH + SEQUENCE_LENGTH;

class CohortReading {
  readonly #options: ReadCohortOptions;
  readonly #byWish = new ExternalSort();
  readonly #byDate = new ExternalSort();
  readonly #badRows: BadRow[] = [];
  readonly #projects = new Map<string, number>();
  readonly #count = { rows: 0, leftOut: 0, duplicates: 0, bad: 0, messages: 0 };

  constructor(options: ReadCohortOptions) {
    this.#options = options;
  }

  leftOut(): void {
    this.#count.rows += 1;
    this.#count.leftOut += 1;
  }

  take(rows: readonly SourceRow[]): void {
    for (const row of rows) {
      this.#count.rows += 1;
      if (row.kind === 'bad') this.#bad([row.row]);
      else this.#takeRow(row);
    }
    this.#options.onProgress?.(this.#count.rows);
  }

  /** @throws CohortRowsError */
  finish(): Cohort {
    if (this.#count.bad > 0 && this.#options.skipBadRows !== true)
      throw new CohortRowsError(this.#badRows, this.#count.bad);
    for (const { date, sequence, body } of this.#eachOnce()) {
      this.#count.messages += 1;
      this.#byDate.add(`${date}${sequence}${body}`);
    }
    const messages = new SpillFile();
    try {
      const digest = createHash('sha256');
      for (const line of this.#byDate.sorted()) {
        const body = line.slice(DATE_LENGTH + SEQUENCE_LENGTH);
        digest.update(`${body}\n`);
        messages.write(body);
      }
      return new Cohort({
        counts: { ...this.#count },
        projects: this.#projects,
        badRows: this.#badRows,
        digest: digest.digest('hex'),
        messages,
      });
    } catch (error) {
      messages.close();
      throw error;
    }
  }

  close(): void {
    this.#byWish.close();
    this.#byDate.close();
  }

  #takeRow({ fields, placeOf }: SourceRow & { readonly kind: 'row' }): void {
    if (fields.accession_number === '' && fields.study_uid === '') {
      this.#count.leftOut += 1;
      return;
    }
    try {
      const message = parseImagingMessageFields(fields);
      const sequence = String(this.#count.rows).padStart(SEQUENCE_LENGTH, '0');
      const body = encodeImagingMessage(message).toString();
      this.#byWish.add(`${wishKey(message)}${message.studyDate}${sequence}${body}`);
    } catch (error) {
      if (!(error instanceof MessageRejectedError)) throw error;
      this.#bad(error.faults.map(({ field, problem }) => ({ ...placeOf(field), problem })));
    }
  }

  /** All that is wrong with one row. */
  #bad(faults: readonly BadRow[]): void {
    this.#count.bad += 1;
    if (this.#badRows.length < MOST_NAMED_ROWS)
      this.#badRows.push(...faults.slice(0, MOST_NAMED_ROWS - this.#badRows.length));
  }

  /** Of each wish the row with the earliest date, of those the first; it asks for the series of all of them. */
  *#eachOnce(): Generator<SortedMessage, void, undefined> {
    let wish: Wish | undefined;
    for (const line of this.#byWish.sorted()) {
      if (wish?.isAskedBy(line) === true) {
        this.#count.duplicates += 1;
        wish.join(line);
        continue;
      }
      if (wish !== undefined) yield this.#counted(wish);
      wish = new Wish(line);
    }
    if (wish !== undefined) yield this.#counted(wish);
  }

  #counted(wish: Wish): SortedMessage {
    this.#countProject((JSON.parse(wish.body) as { project_name: string }).project_name);
    return wish;
  }

  #countProject(name: string): void {
    this.#projects.set(name, (this.#projects.get(name) ?? 0) + 1);
    if (this.#projects.size > MAX_PROJECTS)
      throw new CohortFileError(
        'the cohort',
        `more than ${MAX_PROJECTS} projects; are its columns mixed up?`,
      );
  }
}

/** The wish's name: project, MRN, accession number, study UID. */
function wishKey({ projectName, mrn, accessionNumber, studyInstanceUid }: ImagingMessage): string {
  const wish = JSON.stringify([projectName, mrn, accessionNumber, studyInstanceUid]);
  return hash('sha256', wish, 'base64').slice(0, KEY_LENGTH);
}

interface SortedMessage {
  readonly date: string;
  readonly sequence: string;
  readonly body: string;
}

/** Rows that ask for the same study. For other series of it they are one message; a row without series asks for all. */
class Wish implements SortedMessage {
  readonly #line: string;
  /** null = the whole study, or nothing but what the first row asks for. */
  #series: Set<SeriesInstanceUid> | null = null;
  #isWhole: boolean;

  constructor(line: string) {
    this.#line = line;
    this.#isWhole = line.includes(WHOLE_STUDY);
  }

  get date(): string {
    return this.#line.slice(KEY_LENGTH, KEY_LENGTH + DATE_LENGTH);
  }

  get sequence(): string {
    return this.#line.slice(KEY_LENGTH + DATE_LENGTH, WISH_HEAD);
  }

  get body(): string {
    const first = this.#line.slice(WISH_HEAD);
    if (this.#series === null) return first;
    const seriesInstanceUids = this.#isWhole ? [] : [...this.#series];
    return encodeImagingMessage({ ...messageOf(this.#line), seriesInstanceUids }).toString();
  }

  isAskedBy(line: string): boolean {
    return this.#line.startsWith(line.slice(0, KEY_LENGTH));
  }

  join(line: string): void {
    if (this.#isWhole) return;
    this.#series ??= new Set(messageOf(this.#line).seriesInstanceUids);
    const { seriesInstanceUids } = messageOf(line);
    this.#isWhole = seriesInstanceUids.length === 0;
    for (const uid of seriesInstanceUids) this.#series.add(uid);
    if (this.#series.size > MAX_SERIES_PER_MESSAGE)
      throw new CohortFileError('the cohort', `more than ${MAX_SERIES_PER_MESSAGE} series of one study`);
  }
}

/** How the body of a message without series has it; a quote within a value would be escaped. */
const WHOLE_STUDY = ',"series_uid":"",';

function messageOf(line: string): ImagingMessage {
  return parseImagingMessageFields(JSON.parse(line.slice(WISH_HEAD)));
}

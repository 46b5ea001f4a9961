import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { MessageRejectedError, parseImagingMessageFields, type MessageFault } from '../message.js';
import { CohortMessage } from './cohort-message.js';
import { csvSource } from './csv-source.js';
import { damagedDate } from './cells.js';
import {
  CohortFileError,
  CohortRowsError,
  MOST_NAMED_ROWS,
  type BadRow,
  type RowPlace,
  type RowRemark,
} from './errors.js';
import { ExternalSort } from './external-sort.js';
import { NO_PERSON, omopSource } from './omop-source.js';
import type { CohortFields, CohortSource, SourceRow } from './source.js';
import { SpillFile } from './spill-file.js';
import { messageLine, placeOf, Wish, wishLine } from './wish.js';

/** Every row is in exactly one of these but `rows`, which counts all; a message may stand for several rows. */
export interface CohortCounts {
  readonly rows: number;
  /** There is nothing to ask by: no accession number or no person (of an OMOP extract), neither that nor a study UID (of a CSV). */
  readonly leftOut: number;
  /** Their patients are on the opt-out list. */
  readonly optedOut: number;
  readonly duplicates: number;
  readonly bad: number;
  readonly messages: number;
}

export interface ReadCohortOptions {
  /** Go on without rows that no message can be made of. */
  readonly skipBadRows?: boolean;
  /** Take what a spreadsheet seems to have changed as it stands; else such rows are bad. */
  readonly acceptSpreadsheetNumbers?: boolean;
  /** What parts the cells of a CSV; default: a comma. */
  readonly delimiter?: string;
  /** Whether nothing of a patient may be requested. */
  readonly isOptedOut?: (mrn: string) => boolean;
  /** Called for each row that is in no message, or in the message of an earlier row. */
  readonly onRemark?: (remark: RowRemark) => void;
  /** Called now and then with the number of rows read. */
  readonly onProgress?: (rows: number) => void;
}

/** A project is a hospital's word for a study of its own; a file with more of them has its columns mixed up. */
const MAX_PROJECTS = 10_000;

/** A cohort that was read and found good: its messages are on disk, each wish once, the earliest study date first. */
export class Cohort {
  readonly counts: CohortCounts;
  /** How many of the rows that were left out are of procedures that no person has. */
  readonly withoutPerson: number;
  /** How many messages each project has. */
  readonly projects: ReadonlyMap<string, number>;
  /** The same for the same messages in the same order. */
  readonly digest: string;
  readonly #messages: SpillFile;

  constructor(
    parts: Pick<Cohort, 'counts' | 'withoutPerson' | 'projects' | 'digest'> & {
      readonly messages: SpillFile;
    },
  ) {
    this.counts = parts.counts;
    this.withoutPerson = parts.withoutPerson;
    this.projects = parts.projects;
    this.digest = parts.digest;
    this.#messages = parts.messages;
  }

  /** The messages from that place on, as often as they are asked for. */
  *messages(from = 0): Generator<CohortMessage, void, undefined> {
    let place = 0;
    for (const line of this.#messages.lines()) {
      place += 1;
      if (place <= from) continue;
      yield new CohortMessage(line);
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
    const source: CohortSource = isFolder(path) ? omopSource(path) : csvSource(path, options.delimiter);
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

class CohortReading {
  readonly #options: ReadCohortOptions;
  readonly #byWish = new ExternalSort();
  readonly #byDate = new ExternalSort();
  readonly #badRows: BadRow[] = [];
  readonly #projects = new Map<string, number>();
  readonly #count = { rows: 0, leftOut: 0, optedOut: 0, duplicates: 0, bad: 0, messages: 0 };
  #withoutPerson = 0;
  /** Bad rows of which a spreadsheet is the reason. */
  #damaged = 0;
  /** Files, and the numbers that lines name them by. */
  readonly #files = new Map<string, number>();

  constructor(options: ReadCohortOptions) {
    this.#options = options;
  }

  take(rows: readonly SourceRow[]): void {
    for (const row of rows) {
      this.#count.rows += 1;
      if (row.kind === 'row') this.#takeRow(row);
      else if (row.kind === 'bad') this.#bad([row.row]);
      else this.#leftOut(row.row);
    }
    this.#options.onProgress?.(this.#count.rows);
  }

  /** @throws CohortRowsError */
  finish(): Cohort {
    if (this.#count.bad > 0 && this.#options.skipBadRows !== true)
      throw new CohortRowsError(this.#badRows, this.#count.bad, this.#damaged);
    for (const wish of this.#eachOnce()) {
      this.#count.messages += 1;
      this.#countProject(wish.projectName);
      this.#byDate.add(wish.orderedLine);
    }
    const messages = new SpillFile();
    try {
      for (const ordered of this.#byDate.sorted()) messages.write(messageLine(ordered));
      return new Cohort({
        counts: { ...this.#count },
        withoutPerson: this.#withoutPerson,
        projects: this.#projects,
        digest: messages.digest(),
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

  #takeRow({ fields, damages, place, placeOf }: SourceRow & { readonly kind: 'row' }): void {
    if (fields.accession_number === '' && fields.study_uid === '') {
      this.#leftOut({ ...place, column: null, problem: 'neither an accession number nor a study UID' });
      return;
    }
    if (this.#options.isOptedOut?.(fields.mrn) === true) {
      this.#count.optedOut += 1;
      const reason = { ...place, column: null, problem: 'the patient opted out' };
      this.#options.onRemark?.({ kind: 'opted out', reasons: [reason] });
      return;
    }
    const faults = [...(this.#options.acceptSpreadsheetNumbers === true ? [] : damages)];
    if (faults.length > 0) this.#damaged += 1;
    faults.push(...pseudoPatientIdFaults(fields));
    try {
      const message = parseImagingMessageFields(fields);
      if (faults.length === 0)
        this.#byWish.add(
          wishLine(message, fields.participant_id || null, this.#count.rows, this.#placeText(place)),
        );
    } catch (error) {
      if (!(error instanceof MessageRejectedError)) throw error;
      const named = new Set(faults.map(({ field }) => field));
      faults.push(...error.faults.filter(({ field }) => !named.has(field)).map((one) => ofDate(one, fields)));
    }
    if (faults.length > 0) this.#bad(faults.map(({ field, problem }) => ({ ...placeOf(field), problem })));
  }

  /** All that is wrong with one row. */
  #bad(faults: readonly BadRow[]): void {
    this.#count.bad += 1;
    if (this.#count.bad <= MOST_NAMED_ROWS) this.#badRows.push(...faults);
    this.#options.onRemark?.({ kind: 'bad', reasons: faults });
  }

  #leftOut(row: BadRow): void {
    this.#count.leftOut += 1;
    if (row.problem === NO_PERSON) this.#withoutPerson += 1;
    this.#options.onRemark?.({ kind: 'left out', reasons: [row] });
  }

  #placeText({ file, unit, number }: RowPlace): string {
    let index = this.#files.get(file);
    if (index === undefined) this.#files.set(file, (index = this.#files.size));
    return `${index}:${unit}:${number}`;
  }

  #placeOf(text: string): RowPlace {
    const [index = '', unit, number = ''] = text.split(':');
    return {
      file: [...this.#files.keys()][Number(index)] ?? '',
      unit: unit === 'row' ? 'row' : 'line',
      number: Number(number),
    };
  }

  /** Of each wish the row with the earliest date, of those the first; it asks for the series of all of them. */
  *#eachOnce(): Generator<Wish, void, undefined> {
    let wish: Wish | undefined;
    for (const line of this.#byWish.sorted()) {
      if (wish?.isAskedBy(line) === true) {
        this.#count.duplicates += 1;
        this.#duplicate(line, wish);
        wish.join(line);
        continue;
      }
      if (wish !== undefined) yield wish;
      wish = new Wish(line);
    }
    if (wish !== undefined) yield wish;
  }

  #duplicate(line: string, first: Wish): void {
    const { onRemark } = this.#options;
    if (onRemark === undefined) return;
    const { file, unit, number } = this.#placeOf(first.place);
    const place = this.#placeOf(placeOf(line));
    const where = file === place.file ? `${unit} ${number}` : `${file}, ${unit} ${number}`;
    onRemark({
      kind: 'duplicate',
      reasons: [{ ...place, column: null, problem: `asks for the same study as ${where}` }],
    });
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

/** A date that is none, with its reason where a spreadsheet is that. */
function ofDate(fault: MessageFault, { study_date: text }: CohortFields): MessageFault {
  if (fault.field !== 'study_date') return fault;
  return { ...fault, problem: text === '' ? 'empty' : (damagedDate(text) ?? fault.problem) };
}

/** What PIXL's column holds: varchar(255). */
const MAX_PSEUDO_PATIENT_ID = 255;

function pseudoPatientIdFaults({ participant_id: text }: CohortFields): MessageFault[] {
  const field = 'participant_id';
  if (/\p{Cc}|\p{Surrogate}/u.test(text)) return [{ field, problem: 'holds a control character' }];
  if (text.length > MAX_PSEUDO_PATIENT_ID)
    return [{ field, problem: `longer than ${MAX_PSEUDO_PATIENT_ID} characters` }];
  return [];
}

import { MAX_SERIES_PER_MESSAGE, type ImagingMessage } from '../message.js';
import { CohortFileError } from './errors.js';
import { TAB } from './tabbed.js';

/** Project, MRN, accession number, study UID: what two rows that ask for the same study have in common. */
const WISH_FIELDS = 4;
const SERIES_FIELD = 6;
const DATE_LENGTH = 10;
const SEQUENCE_LENGTH = 12;
/** The date, the place, and the tabs behind them. */
const ORDER_LENGTH = DATE_LENGTH + 1 + SEQUENCE_LENGTH + 1;

/**
 * A row as a line that sorts by its wish, then by its study date, then by its place in the cohort.
 *
 * @param row how many rows there were up to it
 * @param place where it stands, in words of the caller; it is on no later line
 */
export function wishLine(
  message: ImagingMessage,
  pseudoPatientId: string | null,
  row: number,
  place: string,
): string {
  const { projectName, mrn, accessionNumber, studyInstanceUid, studyDate } = message;
  // join() makes one flat text; a template of so many parts would be a tree of texts, kept until the sort looks at it.
  return [
    projectName,
    mrn,
    accessionNumber,
    studyInstanceUid,
    studyDate,
    String(row).padStart(SEQUENCE_LENGTH, '0'),
    message.seriesInstanceUids.join('\\'),
    message.procedureOccurrenceId,
    message.extractGeneratedTimestamp.text,
    pseudoPatientId,
    place,
  ].join(TAB);
}

/** Where the row of a line stands. */
export function placeOf(line: string): string {
  return line.slice(line.lastIndexOf(TAB) + 1);
}

/** A wish's ordered line as a CohortMessage's. */
export function messageLine(orderedLine: string): string {
  return [orderedLine.slice(0, DATE_LENGTH), orderedLine.slice(ORDER_LENGTH)].join(TAB);
}

/** Rows that ask for the same study. For other series of it they are one message; a row without series asks for all. */
export class Wish {
  /** The row with the earliest date, of those the first. */
  readonly #first: string;
  /** Where the fields of the wish end, behind their last tab. */
  readonly #end: number;
  /** null = the first row alone says which. */
  #series: Set<string> | null = null;

  constructor(line: string) {
    this.#first = line;
    let end = -1;
    for (let field = 0; field < WISH_FIELDS; field += 1) end = line.indexOf(TAB, end + 1);
    this.#end = end + 1;
  }

  get projectName(): string {
    return this.#first.slice(0, this.#first.indexOf(TAB));
  }

  /** Where its row stands. */
  get place(): string {
    return placeOf(this.#first);
  }

  /** A line that sorts by date, then by the row's place. */
  get orderedLine(): string {
    const order = this.#end + ORDER_LENGTH;
    const wish = this.#first.slice(0, this.#end - 1);
    const rest = this.#first.slice(order, this.#first.lastIndexOf(TAB));
    const ordered = this.#first.slice(this.#end, order - 1);
    if (this.#series === null) return [ordered, wish, rest].join(TAB);
    return [ordered, wish, [...this.#series].join('\\'), rest.slice(rest.indexOf(TAB) + 1)].join(TAB);
  }

  isAskedBy(line: string): boolean {
    return line.startsWith(this.#first.slice(0, this.#end));
  }

  join(line: string): void {
    this.#series ??= seriesOf(this.#first);
    const more = seriesOf(line);
    const isWhole = this.#series.size === 0 || more.size === 0;
    if (isWhole) this.#series.clear();
    else for (const uid of more) this.#series.add(uid);
    if (this.#series.size > MAX_SERIES_PER_MESSAGE)
      throw new CohortFileError('the cohort', `more than ${MAX_SERIES_PER_MESSAGE} series of one study`);
  }
}

/** Empty = the whole study. */
function seriesOf(line: string): Set<string> {
  const series = line.split(TAB)[SERIES_FIELD] ?? '';
  return new Set(series === '' ? [] : series.split('\\'));
}

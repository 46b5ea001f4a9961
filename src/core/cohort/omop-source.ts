import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidValueError } from '../errors.js';
import { parseStrictJson } from '../json-text.js';
import type { MessageFault } from '../message.js';
import { cohortCell, type CellKind } from './cells.js';
import { CohortFileError } from './errors.js';
import { ExternalSort } from './external-sort.js';
import { keyedLine, mergeJoin, numberOf } from './merge-join.js';
import { BadCell, parquetRows, type Cell, type ColumnKind, type WantedColumn } from './parquet-rows.js';
import type { SourceRow } from './source.js';
import { fieldOf, TAB, textOf } from './tabbed.js';

const SUMMARY = 'extract_summary.json';
const MAX_SUMMARY = 1024 * 1024;
const PORTION = 1_000;

interface Table {
  readonly folder: string;
  readonly single: string;
  readonly batched: string;
  readonly columns: readonly WantedColumn[];
}

const column = (name: string, kind: ColumnKind): WantedColumn => ({ name, kind });

const PEOPLE: Table = {
  folder: 'private',
  single: 'PERSON_LINKS.parquet',
  batched: 'person_links',
  columns: [column('person_id', 'integer'), column('PrimaryMrn', 'text')],
};
const ACCESSIONS: Table = {
  folder: 'private',
  single: 'PROCEDURE_OCCURRENCE_LINKS.parquet',
  batched: 'procedure_occurrence_links',
  columns: [
    column('procedure_occurrence_id', 'integer'),
    column('AccessionNumber', 'text'),
    column('StudyUid_X', 'text'),
  ],
};
const PROCEDURES: Table = {
  folder: 'public/omop',
  single: 'PROCEDURE_OCCURRENCE.parquet',
  batched: 'procedure_occurrence',
  columns: [
    column('person_id', 'integer'),
    column('procedure_occurrence_id', 'integer'),
    column('procedure_date', 'date'),
  ],
};

/** Where a row comes from: the number of its file, a tab, its own in it. */
type Origin = string;

/**
 * Reads an extract of OMOP-ES: its three tables, joined on person_id, then on procedure_occurrence_id, as an SQL join
 * would. Rows of accession numbers that have none, or no procedure, or whose procedure has no person, are left out. The joins are
 * done on disk.
 *
 * @throws CohortFileError while it is read
 */
export async function* omopSource(folder: string): AsyncGenerator<readonly SourceRow[], void, undefined> {
  const summary = readExtractSummary(folder);
  const files: string[] = [];
  const sorts = {
    people: new ExternalSort(),
    procedures: new ExternalSort(),
    joined: new ExternalSort(),
    accessions: new ExternalSort(),
  };
  try {
    const rows = new TableReader(folder, files);
    yield* rows.read(PEOPLE, (origin, [person, mrn]) => {
      sorts.people.add(keyedLine(person as number, origin, fieldOf((mrn ?? '') as string)));
    });
    yield* rows.read(PROCEDURES, (origin, [person, procedure, date]) => {
      const id = keyedLine(procedure as number, origin);
      sorts.procedures.add(keyedLine(person as number, id, date as string));
    });
    yield* rows.read(
      ACCESSIONS,
      (origin, [procedure, accession, studyUid]) => {
        const texts = [accession, studyUid ?? ''].map((text) => fieldOf(text as string));
        sorts.accessions.add(keyedLine(procedure as number, origin, ...texts));
      },
      ([, accession]) =>
        accession === null ||
        (typeof accession === 'string' && cohortCell(accession, 'identifier').text === ''),
    );
    // A procedure's line begins with its number, as a key does; one without a person goes on alone.
    const alone = (procedure: string): void => sorts.joined.add(procedure);
    for (const [person, procedure] of mergeJoin(sorts.people.sorted(), sorts.procedures.sorted(), alone))
      sorts.joined.add([procedure, person].join(TAB));
    sorts.people.close();
    sorts.procedures.close();
    yield* inPortions(joinedRows(sorts, summary, files));
  } finally {
    for (const sort of Object.values(sorts)) sort.close();
  }
}

/** The second join: with what has an accession number. */
function* joinedRows(
  { joined, accessions }: { readonly joined: ExternalSort; readonly accessions: ExternalSort },
  summary: ExtractSummary,
  files: readonly string[],
): Generator<SourceRow, void, undefined> {
  const without: SourceRow[] = [];
  const leftOut = (accession: string, problem: string): SourceRow => {
    const [file = '', number = ''] = accession.split(TAB, 2);
    const place = { file: files[Number(file)] ?? '', unit: 'row' as const, number: Number(number) };
    return { kind: 'left out', row: { ...place, column: null, problem } };
  };
  const alone = (accession: string): void => {
    without.push(leftOut(accession, 'no procedure has its procedure_occurrence_id'));
  };
  for (const [procedure, accession, key] of mergeJoin(joined.sorted(), accessions.sorted(), alone)) {
    if (without.length > 0) yield* without.splice(0);
    const fields = procedure.split(TAB);
    yield fields.length > PROCEDURE_FIELDS
      ? rowOf(numberOf(key), fields, accession, summary, files)
      : leftOut(accession, NO_PERSON);
  }
  yield* without;
}

/** Of a procedure's line: file, row, date. A person's follow. */
const PROCEDURE_FIELDS = 3;

/** Why a row is left out whose MRN nobody knows. */
export const NO_PERSON = 'no person has the person_id of its procedure';

function* inPortions(rows: Iterable<SourceRow>): Generator<SourceRow[], void, undefined> {
  let portion: SourceRow[] = [];
  for (const row of rows) {
    portion.push(row);
    if (portion.length < PORTION) continue;
    yield portion;
    portion = [];
  }
  if (portion.length > 0) yield portion;
}

const EMPTY_ACCESSION = { column: 'AccessionNumber', problem: 'empty' } as const;

/** Reads the rows of a table and holds those back, as bad ones, whose cells can't be used. */
class TableReader {
  readonly #folder: string;
  readonly #files: string[];
  readonly #others: SourceRow[] = [];

  constructor(folder: string, files: string[]) {
    this.#folder = folder;
    this.#files = files;
  }

  async *read(
    table: Table,
    use: (origin: Origin, cells: readonly Cell[]) => void,
    leavesOut: (cells: readonly Cell[]) => boolean = () => false,
  ): AsyncGenerator<readonly SourceRow[], void, undefined> {
    for (const file of filesOf(this.#folder, table)) {
      const index = this.#files.push(file) - 1;
      for await (const rows of parquetRows(join(this.#folder, file), file, table.columns)) {
        for (const { number, cells } of rows)
          if (leavesOut(cells))
            this.#others.push({
              kind: 'left out',
              row: { ...{ file, unit: 'row', number }, ...EMPTY_ACCESSION },
            });
          else if (this.#isUsable(table, file, number, cells)) use(`${index}${TAB}${number}`, cells);
        if (this.#others.length > 0) yield this.#others.splice(0);
      }
    }
  }

  #isUsable(table: Table, file: string, number: number, cells: readonly Cell[]): boolean {
    let usable = true;
    for (const [index, { name, kind }] of table.columns.entries()) {
      const cell = cells[index] ?? null;
      // Texts may be empty here: whether all of them together are enough is for the message to say.
      const problem =
        cell instanceof BadCell ? cell.problem : cell === null && kind !== 'text' ? 'null' : null;
      if (problem === null) continue;
      usable = false;
      this.#others.push({ kind: 'bad', row: { file, unit: 'row', number, column: name, problem } });
    }
    return usable;
  }
}

/** The table's one file, or its parts in the order of their numbers. */
function filesOf(folder: string, { folder: inside, single, batched }: Table): string[] {
  const [file, parts] = [`${inside}/${single}`, `${inside}/${batched}`];
  const isSingle = existsSync(join(folder, file));
  const isBatched = existsSync(join(folder, parts));
  if (isSingle && isBatched)
    throw new CohortFileError(file, `there is ${parts}/ as well; one of them must go`);
  if (isSingle) return [file];
  const names = isBatched ? readdirSync(join(folder, parts)) : [];
  const found = names.filter((name) => /^part-.*\.parquet$/.test(name));
  if (found.length === 0)
    throw new CohortFileError(file, `there is no such file, and no ${parts}/part-*.parquet`);
  return found.sort(new Intl.Collator('en', { numeric: true }).compare).map((name) => `${parts}/${name}`);
}

/** What an extract says of itself. */
export interface ExtractSummary {
  readonly projectName: string;
  readonly timestamp: string;
}

/** Reads `extract_summary.json`. @throws CohortFileError */
export function readExtractSummary(folder: string): ExtractSummary {
  const path = join(folder, SUMMARY);
  if (!existsSync(path)) throw new CohortFileError(SUMMARY, 'there is no such file');
  if (statSync(path).size > MAX_SUMMARY)
    throw new CohortFileError(SUMMARY, `larger than ${MAX_SUMMARY} bytes`);
  let json: unknown;
  try {
    json = parseStrictJson(SUMMARY, readFileSync(path));
  } catch (error) {
    throw new CohortFileError(
      SUMMARY,
      error instanceof InvalidValueError ? error.problem : "can't be read",
      error,
    );
  }
  const { settings, datetime } = (json ?? {}) as {
    settings?: { cdm_source_name?: unknown } | null;
    datetime?: unknown;
  };
  const projectName = settings?.cdm_source_name;
  if (typeof projectName !== 'string' || projectName.trim() === '')
    throw new CohortFileError(SUMMARY, 'settings.cdm_source_name is missing or no text');
  if (typeof datetime !== 'string') throw new CohortFileError(SUMMARY, 'datetime is missing or no text');
  return { projectName: projectName.trim(), timestamp: datetime.trim() };
}

function rowOf(
  id: number,
  joined: readonly string[],
  accession: string,
  { projectName, timestamp }: ExtractSummary,
  files: readonly string[],
): SourceRow {
  const [procedureFile = '', procedureRow = '', date = '', personFile = '', personRow = '', mrn = ''] =
    joined;
  const [accessionFile = '', accessionRow = '', accessionNumber = '', studyUid = ''] = accession.split(TAB);
  const damages: MessageFault[] = [];
  const cell = (text: string, field: string, kind: CellKind): string => {
    const read = cohortCell(textOf(text), kind);
    if (read.damage !== null) damages.push({ field, problem: read.damage });
    return read.text;
  };
  return {
    kind: 'row',
    fields: {
      mrn: cell(mrn, 'mrn', 'identifier'),
      accession_number: cell(accessionNumber, 'accession_number', 'identifier'),
      study_uid: cell(studyUid, 'study_uid', 'uid'),
      series_uid: '',
      study_date: date,
      procedure_occurrence_id: id,
      project_name: projectName,
      extract_generated_timestamp: timestamp,
      participant_id: '', // an extract has none, and PIXL takes none
    },
    damages,
    place: { file: files[Number(accessionFile)] ?? '', unit: 'row', number: Number(accessionRow) },
    placeOf: (field) => {
      const procedure = [procedureFile, procedureRow] as const;
      const columns: Readonly<Record<string, readonly [string, string, string]>> = {
        mrn: [personFile, personRow, 'PrimaryMrn'],
        accession_number: [accessionFile, accessionRow, 'AccessionNumber'],
        study_uid: [accessionFile, accessionRow, 'StudyUid_X'],
        study_date: [...procedure, 'procedure_date'],
        procedure_occurrence_id: [...procedure, 'procedure_occurrence_id'],
      };
      const [file, number, column] = columns[field] ?? [...procedure, null];
      return { file: files[Number(file)] ?? '', unit: 'row', number: Number(number), column };
    },
  };
}

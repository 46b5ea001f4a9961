import { parse } from 'csv-parse';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { MessageFault } from '../message.js';
import { csvCell, type CellKind } from './cells.js';
import { csvBeginning } from './delimiter.js';
import { CohortFileError } from './errors.js';
import type { CohortFields, SourceRow } from './source.js';

const REQUIRED = [
  'procedure_id',
  'mrn',
  'accession_number',
  'project_name',
  'extract_generated_timestamp',
  'study_date',
  'study_uid',
  'participant_id',
] as const;
const SERIES = 'series_uid';
type Column = (typeof REQUIRED)[number] | typeof SERIES;

/** The message's field to the CSV's column, where they differ. */
const COLUMN_OF: Readonly<Record<string, string>> = { procedure_occurrence_id: 'procedure_id' };

/** A message of 64 KiB is the largest that there is; what is longer is no row of a cohort. */
const MAX_RECORD = 1024 * 1024;
/** csv-parse counts the characters of cells, not the commas between empty ones, of which a line may have endlessly many. */
const MAX_LINE = 2 * MAX_RECORD;
const PORTION = 1_000;
/** Rows may be as long as MAX_RECORD; a thousand of those would not be held together. */
const PORTION_CHARACTERS = MAX_RECORD;

const LINE_ENDS = ['\r\n', '\n', '\r'];

interface CsvRecord {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/**
 * Reads a CSV (RFC 4180, UTF-8) as a stream. Columns are found by their names; others may be among them.
 *
 * @param delimiter between its cells, without: a comma
 * @throws CohortFileError while it is read: no UTF-8, quotes that don't match, a column that is missing or is there twice.
 */
export async function* csvSource(
  path: string,
  delimiter?: string,
): AsyncGenerator<readonly SourceRow[], void, undefined> {
  const file = basename(path);
  const { headingLine } = csvBeginning(file, await startOf(path, file), delimiter, REQUIRED);
  const text = Readable.from(utf8(path, file));
  const parser = text.pipe(
    parse({
      info: true,
      delimiter: delimiter ?? ',',
      from_line: headingLine,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: MAX_RECORD,
      // Left to itself csv-parse takes the first that it meets for the only one.
      record_delimiter: LINE_ENDS,
    }),
  );
  // pipe() hands no error on.
  text.on('error', (error) => parser.destroy(error));
  let places: ReadonlyMap<Column, number> | undefined;
  let width = 0;
  let portion: SourceRow[] = [];
  let characters = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<CsvRecord>) {
      if (places === undefined) {
        places = headingOf(record, file);
        width = record.length;
        continue;
      }
      portion.push(rowOf(record, places, width, { file, unit: 'line', number: info.lines }));
      for (const cell of record) characters += cell.length;
      if (portion.length < PORTION && characters < PORTION_CHARACTERS) continue;
      yield portion;
      portion = [];
      characters = 0;
    }
  } catch (error) {
    throw toCohortFileError(file, error);
  } finally {
    text.destroy();
  }
  if (places === undefined) throw new CohortFileError(file, 'empty');
  if (portion.length > 0) yield portion;
}

/** The heading is in it. */
const START = 64 * 1024;

async function startOf(path: string, file: string): Promise<string> {
  try {
    for await (const chunk of createReadStream(path, {
      end: START - 1,
      highWaterMark: START,
    }) as AsyncIterable<Buffer>)
      return chunk.toString('utf8').replaceAll('\r', '\n').replaceAll('\n\n', '\n');
    return '';
  } catch (error) {
    throw toCohortFileError(file, error);
  }
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** @throws CohortFileError (while it is read) when it is no UTF-8, or a line is too long */
async function* utf8(path: string, file: string): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let lineLength = 0;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      const lastLineEnd = Math.max(chunk.lastIndexOf(LINE_FEED), chunk.lastIndexOf(CARRIAGE_RETURN));
      lineLength = lastLineEnd < 0 ? lineLength + chunk.length : chunk.length - lastLineEnd;
      if (lineLength > MAX_LINE) throw new CohortFileError(file, `a line of more than ${MAX_LINE} bytes`);
      yield decoder.decode(chunk, { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError && !('syscall' in error))
      throw new CohortFileError(file, 'not UTF-8', error);
    throw error;
  }
}

function headingOf(cells: readonly string[], file: string): ReadonlyMap<Column, number> {
  const names = cells.map((cell) => cell.trim());
  for (const name of [...REQUIRED, SERIES])
    if (names.indexOf(name) !== names.lastIndexOf(name))
      throw new CohortFileError(file, `the column ${name} is there twice`);
  const missing = REQUIRED.filter((name) => !names.includes(name));
  if (missing.length > 0)
    throw new CohortFileError(
      file,
      `the heading lacks ${missing.length === 1 ? 'the column' : 'the columns'} ${missing.join(', ')}`,
    );
  return new Map([...REQUIRED, SERIES].map((name) => [name as Column, names.indexOf(name)]));
}

function rowOf(
  record: readonly string[],
  places: ReadonlyMap<Column, number>,
  width: number,
  place: { readonly file: string; readonly unit: 'line'; readonly number: number },
): SourceRow {
  if (record.length !== width)
    return {
      kind: 'bad',
      row: { ...place, column: null, problem: `${record.length} cells where the heading has ${width}` },
    };
  const damages: MessageFault[] = [];
  const cell = (column: Column, kind: CellKind = 'other', field: string = column): string => {
    const { text, damage } = csvCell(record[places.get(column) ?? -1] ?? '', kind);
    if (damage !== null) damages.push({ field, problem: damage });
    return text;
  };
  const fields: CohortFields = {
    mrn: cell('mrn', 'identifier'),
    accession_number: cell('accession_number', 'identifier'),
    study_uid: cell('study_uid', 'uid'),
    series_uid: cell(SERIES, 'uid'),
    study_date: dayOf(cell('study_date')),
    procedure_occurrence_id: integer(cell('procedure_id', 'other', 'procedure_occurrence_id')),
    project_name: cell('project_name'),
    extract_generated_timestamp: cell('extract_generated_timestamp'),
    participant_id: cell('participant_id', 'identifier'),
  };
  return {
    kind: 'row',
    fields,
    damages,
    place,
    placeOf: (field) => ({ ...place, column: field === 'message' ? null : (COLUMN_OF[field] ?? field) }),
  };
}

/** Of a date-time the date. */
function dayOf(text: string): string {
  return /^(\d{4}-\d{2}-\d{2})[T ]\d{2}:[\d:.,]+(?:Z|[+-][\d:]+)?$/.exec(text)?.[1] ?? text;
}

/** pandas writes integers that were once floats as `4.0`. */
function integer(text: string): number {
  return /^-?\d+(\.0+)?$/.test(text) ? Number(text) : NaN;
}

/** csv-parse's own texts quote the file. */
function toCohortFileError(file: string, error: unknown): CohortFileError {
  if (error instanceof CohortFileError) return error;
  const { code, lines } = error as { code?: unknown; lines?: unknown };
  const known = typeof code === 'string' ? code : 'unknown error';
  const line = typeof lines === 'number' ? `line ${lines}: ` : '';
  return new CohortFileError(file, `${line}${CSV_PROBLEMS[known] ?? `can't be read (${known})`}`, error);
}

const CSV_PROBLEMS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and never closed',
  CSV_INVALID_CLOSING_QUOTE:
    'a closing quote is followed by something else than the separator or the end of the line',
  INVALID_OPENING_QUOTE: 'a quote in a cell that does not begin with one',
  CSV_MAX_RECORD_SIZE: `a row of more than ${MAX_RECORD} characters`,
  ENOENT: 'there is no such file',
  EACCES: 'may not be read',
};

import { protectedCell } from '../src/core/cohort/cells.js';
import type { Transfer } from '../src/core/db/index.js';
import { countByRule } from '../src/core/outcome.js';
import { printable } from './printable.js';

/** A row of `report --json` (SPEC 6), with what else is known of it after that. */
export function transferJson(transfer: Transfer): object {
  const { images } = transfer;
  return {
    project_name: transfer.projectName,
    mrn: transfer.mrn,
    accession_number: transfer.accessionNumber,
    study_uid: studiesText(transfer),
    archive: transfer.archive,
    outcome: transfer.outcome,
    reason: transfer.reason,
    images: {
      expected: images.expected,
      already_in_raw: images.alreadyInRaw,
      retrieved: images.retrieved,
      delivered: images.delivered,
    },
    excluded: countByRule(transfer.excluded),
    attempts: transfer.attempts,
    received_at: transfer.receivedAt,
    finished_at: transfer.finishedAt,
    code: transfer.code,
    series_uid: transfer.seriesUid,
    study_date: transfer.studyDate,
    procedure_occurrence_id: transfer.procedureOccurrenceId,
    missing_uids: transfer.missingUids,
    refused: transfer.refused.map(({ sopInstanceUid, reason }) => ({
      sop_instance_uid: sopInstanceUid,
      reason,
    })),
    excluded_instances: transfer.excluded.map(({ sopInstanceUid, rule }) => ({
      sop_instance_uid: sopInstanceUid,
      rule,
    })),
    remarks: transfer.remarks,
    warnings: transfer.warnings,
    bytes_delivered: transfer.bytesDelivered,
    duration_ms: transfer.durationMs,
  };
}

type Cell = string | number | null;

/** The columns of a cohort, as `populate` reads them. */
const COHORT_CSV: readonly (readonly [string, (transfer: Transfer) => Cell])[] = [
  ['procedure_id', (row) => row.procedureOccurrenceId],
  ['mrn', (row) => row.mrn],
  ['accession_number', (row) => row.accessionNumber],
  ['project_name', (row) => row.projectName],
  ['extract_generated_timestamp', (row) => row.extractGeneratedTimestamp],
  ['study_date', (row) => row.studyDate],
  // As it was asked, not as it was found: fed back, it is the same message again.
  ['study_uid', (row) => row.studyUid],
  ['participant_id', () => null],
  ['series_uid', (row) => row.seriesUid],
];

/** What came of it. */
const OUTCOME_CSV: typeof COHORT_CSV = [
  ['outcome', (row) => row.outcome],
  ['code', (row) => row.code],
  ['reason', (row) => row.reason],
  ['archive', (row) => row.archive],
  ['found_study_uids', (row) => row.foundStudyUids.join('\\')],
  ['images_expected', (row) => row.images.expected],
  ['images_already_in_raw', (row) => row.images.alreadyInRaw],
  ['images_retrieved', (row) => row.images.retrieved],
  ['images_delivered', (row) => row.images.delivered],
  ['images_excluded', (row) => row.excluded.length],
  ['excluded', (row) => exclusionsText(row)],
  ['missing_uids', (row) => row.missingUids.join('\\')],
  ['refused_uids', (row) => row.refused.map(({ sopInstanceUid }) => sopInstanceUid).join('\\')],
  ['excluded_uids', (row) => row.excluded.map(({ sopInstanceUid }) => sopInstanceUid).join('\\')],
  ['remarks', (row) => row.remarks.join(' ')],
  ['warnings', (row) => row.warnings],
  ['bytes_delivered', (row) => row.bytesDelivered],
  ['attempts', (row) => row.attempts],
  ['received_at', (row) => row.receivedAt],
  ['finished_at', (row) => row.finishedAt],
  ['duration_ms', (row) => row.durationMs],
];

export const REPORT_CSV_COLUMNS: readonly string[] = [...COHORT_CSV, ...OUTCOME_CSV].map(([name]) => name);

/** The cells of a row under those columns: no spreadsheet takes one for a formula, and `populate` reads its own as they were. */
export function transferCsv(transfer: Transfer): Cell[] {
  const cells = (columns: typeof COHORT_CSV, shown: (text: string) => string): Cell[] =>
    columns.map(([, cellOf]) => {
      const cell = cellOf(transfer);
      return cell === null ? null : protectedCell(shown(String(cell)));
    });
  return [...cells(COHORT_CSV, (text) => text), ...cells(OUTCOME_CSV, printable)];
}

/** RFC 4180; null is an empty cell. */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map((cell) => quoted(cell === null ? '' : String(cell))).join(',')}\r\n`;
}

function quoted(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** How many were left out by which rule; empty when none was. */
export function exclusionsText({ excluded }: Pick<Transfer, 'excluded'>): string {
  return Object.entries(countByRule(excluded))
    .map(([rule, count]) => `${count} by ${rule}`)
    .join('; ');
}

/** What was found, else what was asked for. */
export function studiesText({ foundStudyUids, studyUid }: Transfer): string | null {
  return foundStudyUids.length > 0 ? foundStudyUids.join('\\') : studyUid;
}

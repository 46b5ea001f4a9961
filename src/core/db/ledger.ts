import { createHash } from 'node:crypto';
import { encodeImagingMessage, type ImagingMessage } from '../message.js';
import type {
  ArchiveName,
  ExcludedInstance,
  OutcomeEntry,
  OutcomeRecorder,
  RefusedInstance,
  Remark,
  StudyReport,
} from '../outcome.js';
import type { Database } from './database.js';
import { SCHEMA } from './migrations/migration.js';
import { utc } from './settings.js';

/** What a message can end with. */
export const ENDINGS = [
  'delivered',
  'retrieved',
  'excluded',
  'missing',
  'incomplete',
  'failed',
  'rejected',
] as const;
export type Ending = (typeof ENDINGS)[number];

/** The last ending of one message. What the message says is null when it could not be read. */
export interface Transfer {
  readonly projectName: string | null;
  readonly mrn: string | null;
  readonly accessionNumber: string | null;
  /** As the message asks. */
  readonly studyUid: string | null;
  /** As the message asks, joined by `\`; null = the whole study. */
  readonly seriesUid: string | null;
  /** `YYYY-MM-DD`. */
  readonly studyDate: string | null;
  readonly procedureOccurrenceId: number | null;
  readonly extractGeneratedTimestamp: string | null;
  readonly queue: string;
  readonly archive: ArchiveName;
  readonly outcome: Ending;
  readonly code: string | null;
  readonly reason: string | null;
  /** Those that the archive gave. */
  readonly foundStudyUids: readonly string[];
  /** Over all studies of the message, in its last try. */
  readonly images: StudyReport['images'];
  readonly missingUids: readonly string[];
  readonly refused: readonly RefusedInstance[];
  readonly excluded: readonly ExcludedInstance[];
  /** Each once, whichever of its studies it is about. */
  readonly remarks: readonly Remark[];
  readonly warnings: number;
  readonly bytesDelivered: number;
  readonly attempts: number;
  /** ISO 8601, UTC: when the message came first. */
  readonly receivedAt: string;
  /** ISO 8601, UTC: when its last try ended. */
  readonly finishedAt: string;
  /** How long the last try took. */
  readonly durationMs: number;
}

export interface TransferFilter {
  readonly project?: string;
  /** Any of these. */
  readonly outcomes?: readonly Ending[];
}

export type Totals = Readonly<Record<Ending, number>>;

/**
 * The ledger: one row for each message that came to an end.
 *
 * A message is known by what it asks for, since the broker gives it no name that a redelivery, a retry or another run of
 * `populate` would keep. So one that comes again, after a crash between record and ack or on purpose, changes its row.
 */
export class Ledger implements OutcomeRecorder {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Writes the ending down; a message that goes on (to another archive, to another try) is left alone. Doing it again
   * changes nothing, and an ending that is older than the one in the row does not replace it.
   *
   * @throws DatabaseUnavailableError, DatabaseError
   */
  async record(entry: OutcomeEntry): Promise<void> {
    const { ending } = entry;
    if (ending === 'retry' || ending === 'forward') return;
    await this.#database.query(UPSERT, parametersOf(entry, ending));
  }

  /** The rows in the order in which the messages ended first, of one moment, as a stream. */
  async *list(filter: TransferFilter = {}): AsyncGenerator<Transfer, void, undefined> {
    const conditions: string[] = [];
    const params: (string | readonly Ending[])[] = [];
    for (const [column, value] of [
      ['project_name =', filter.project],
      ['outcome = ANY', filter.outcomes],
    ] as const) {
      if (value === undefined) continue;
      params.push(value);
      conditions.push(`${column} ($${params.length})`);
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const sql = `SELECT ${COLUMNS} FROM ${SCHEMA}.transfer ${where} ORDER BY transfer_id`;
    for await (const row of this.#database.stream<TransferRow>(sql, params)) yield transferOf(row);
  }

  /** Which of these messages, by their keys, ended in one of these ways, and how. */
  async endedAs(keys: readonly string[], endings: readonly Ending[]): Promise<Map<string, Ending>> {
    const { rows } = await this.#database.query<{ key: string; outcome: Ending }>(
      `SELECT message_key AS key, outcome FROM ${SCHEMA}.transfer
       WHERE message_key = ANY ($1::text[]) AND outcome = ANY ($2::text[])`,
      [keys, endings],
    );
    return new Map(rows.map(({ key, outcome }) => [key, outcome]));
  }

  /**
   * How many instances anon acknowledged of a message that was delivered; null = it is not known, or not how many distinct
   * ones these are.
   */
  async deliveredImages(message: ImagingMessage): Promise<number | null> {
    const { rows } = await this.#database.query<{ images: number; twice: boolean }>(
      `SELECT images_delivered AS images, 'uid_listed_twice' = ANY (remarks) AS twice
       FROM ${SCHEMA}.transfer WHERE message_key = $1 AND outcome = 'delivered'`,
      [keyOfMessage(message)],
    );
    return rows[0] === undefined || rows[0].twice ? null : rows[0].images;
  }

  /** How many messages ended how. */
  async totals(filter: Pick<TransferFilter, 'project'> = {}): Promise<Totals> {
    const { rows } = await this.#database.query<{ outcome: Ending; messages: string }>(
      `SELECT outcome, count(*)::text AS messages FROM ${SCHEMA}.transfer
       WHERE $1::text IS NULL OR project_name = $1 GROUP BY outcome`,
      [filter.project ?? null],
    );
    const counted = new Map(rows.map(({ outcome, messages }) => [outcome, Number(messages)]));
    return Object.fromEntries(ENDINGS.map((ending) => [ending, counted.get(ending) ?? 0])) as Record<
      Ending,
      number
    >;
  }
}

/** The name of a message in the ledger: the same for the same wish, in whatever form it was put on the queue. */
export function messageKey({
  message,
  delivery,
}: Pick<OutcomeEntry, 'message'> & { delivery: Pick<OutcomeEntry['delivery'], 'body'> }): string {
  return message === null ? bodyKey(delivery.body) : keyOfMessage(message);
}

/** The same of a message that can be read. */
export function keyOfMessage(message: ImagingMessage): string {
  return bodyKey(encodeImagingMessage(message));
}

/** The same of a message's body as we publish it. */
export function bodyKey(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

const UPSERT = `
  INSERT INTO ${SCHEMA}.transfer AS t (
    message_key, project_name, mrn, accession_number, study_uid, series_uid, study_date, procedure_occurrence_id,
    extract_generated_timestamp, queue, archive, outcome, code, reason, found_study_uids, images_expected,
    images_already_in_raw, images_retrieved, images_delivered, missing_uids, refused, warnings, bytes_delivered, attempts,
    received_at, finished_at, duration_ms, remarks, images_excluded, excluded
  ) VALUES (
    $1, $2, $3, $4, $5, $6, to_date($7, 'YYYY-MM-DD'), $8::bigint, $9, $10, $11, $12, $13, $14, $15::text[], $16, $17, $18,
    $19, $20::text[], $21::jsonb, $22, $23::bigint, $24, $25::timestamptz, $26::timestamptz, $27::bigint, $28::text[],
    $29, $30::jsonb
  )
  ON CONFLICT (message_key) DO UPDATE SET
    queue = excluded.queue, archive = excluded.archive, outcome = excluded.outcome, code = excluded.code,
    reason = excluded.reason, found_study_uids = excluded.found_study_uids, images_expected = excluded.images_expected,
    images_already_in_raw = excluded.images_already_in_raw, images_retrieved = excluded.images_retrieved,
    images_delivered = excluded.images_delivered, missing_uids = excluded.missing_uids, refused = excluded.refused,
    warnings = excluded.warnings, bytes_delivered = excluded.bytes_delivered, attempts = excluded.attempts,
    received_at = least(t.received_at, excluded.received_at), finished_at = excluded.finished_at,
    duration_ms = excluded.duration_ms, remarks = excluded.remarks,
    images_excluded = excluded.images_excluded, excluded = excluded.excluded
  WHERE t.finished_at <= excluded.finished_at`;

function parametersOf(entry: OutcomeEntry, ending: Ending): unknown[] {
  const { delivery, message, outcome } = entry;
  const studies = outcome?.studies ?? [];
  const sum = (count: (study: StudyReport) => number): number =>
    studies.reduce((total, study) => total + count(study), 0);
  return [
    messageKey(entry),
    message?.projectName ?? null,
    message?.mrn ?? null,
    message?.accessionNumber ?? null,
    message?.studyInstanceUid ?? null,
    message === null || message.seriesInstanceUids.length === 0
      ? null
      : message.seriesInstanceUids.join('\\'),
    message?.studyDate ?? null,
    message?.procedureOccurrenceId ?? null,
    message?.extractGeneratedTimestamp.text ?? null,
    delivery.queue,
    entry.archive,
    ending,
    entry.code,
    entry.reason === null ? null : storable(entry.reason),
    studies.map(({ studyInstanceUid }) => storable(studyInstanceUid)),
    sum(({ images }) => images.expected),
    sum(({ images }) => images.alreadyInRaw),
    sum(({ images }) => images.retrieved),
    sum(({ images }) => images.delivered),
    studies.flatMap(({ missing }) => missing.map(storable)),
    JSON.stringify(
      studies.flatMap(({ refused }) =>
        refused.map(({ sopInstanceUid, reason }) => ({
          sopInstanceUid: storable(sopInstanceUid),
          reason: storable(reason),
        })),
      ),
    ),
    sum(({ warnings }) => warnings),
    sum(({ bytesDelivered }) => bytesDelivered),
    delivery.attempt,
    delivery.receivedAt,
    entry.finishedAt,
    Math.round(entry.durationMs),
    [...new Set(studies.flatMap(({ remarks }) => remarks))],
    sum(({ excluded }) => excluded.length),
    JSON.stringify(
      studies.flatMap(({ excluded }) =>
        excluded.map(({ sopInstanceUid, rule }) => ({
          sopInstanceUid: storable(sopInstanceUid),
          rule: storable(rule),
        })),
      ),
    ),
  ];
}

/** What a peer said may hold anything; PostgreSQL's text holds no NUL, and its JSON no half of a character. */
function storable(text: string): string {
  return text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\uFFFD');
}

const COLUMNS = [
  'project_name, mrn, accession_number, study_uid, series_uid',
  "to_char(study_date, 'YYYY-MM-DD') AS study_date",
  'procedure_occurrence_id::text AS procedure_occurrence_id',
  'extract_generated_timestamp, queue, archive, outcome, code, reason',
  'found_study_uids, images_expected, images_already_in_raw, images_retrieved, images_delivered, missing_uids',
  'refused::text AS refused, warnings, bytes_delivered::text AS bytes_delivered, attempts',
  'remarks, excluded::text AS excluded',
  `${utc('received_at')} AS received_at, ${utc('finished_at')} AS finished_at, duration_ms::text AS duration_ms`,
].join(', ');

interface TransferRow {
  readonly project_name: string | null;
  readonly mrn: string | null;
  readonly accession_number: string | null;
  readonly study_uid: string | null;
  readonly series_uid: string | null;
  readonly study_date: string | null;
  readonly procedure_occurrence_id: string | null;
  readonly extract_generated_timestamp: string | null;
  readonly queue: string;
  readonly archive: ArchiveName;
  readonly outcome: Ending;
  readonly code: string | null;
  readonly reason: string | null;
  readonly found_study_uids: readonly string[];
  readonly images_expected: number;
  readonly images_already_in_raw: number;
  readonly images_retrieved: number;
  readonly images_delivered: number;
  readonly missing_uids: readonly string[];
  readonly refused: string;
  readonly excluded: string;
  readonly remarks: readonly Remark[];
  readonly warnings: number;
  readonly bytes_delivered: string;
  readonly attempts: number;
  readonly received_at: string;
  readonly finished_at: string;
  readonly duration_ms: string;
}

function transferOf(row: TransferRow): Transfer {
  return {
    projectName: row.project_name,
    mrn: row.mrn,
    accessionNumber: row.accession_number,
    studyUid: row.study_uid,
    seriesUid: row.series_uid,
    studyDate: row.study_date,
    procedureOccurrenceId: row.procedure_occurrence_id === null ? null : Number(row.procedure_occurrence_id),
    extractGeneratedTimestamp: row.extract_generated_timestamp,
    queue: row.queue,
    archive: row.archive,
    outcome: row.outcome,
    code: row.code,
    reason: row.reason,
    foundStudyUids: row.found_study_uids,
    images: {
      expected: row.images_expected,
      alreadyInRaw: row.images_already_in_raw,
      retrieved: row.images_retrieved,
      delivered: row.images_delivered,
    },
    missingUids: row.missing_uids,
    refused: JSON.parse(row.refused) as RefusedInstance[],
    excluded: JSON.parse(row.excluded) as ExcludedInstance[],
    remarks: row.remarks,
    warnings: row.warnings,
    bytesDelivered: Number(row.bytes_delivered),
    attempts: row.attempts,
    receivedAt: row.received_at,
    finishedAt: row.finished_at,
    durationMs: Number(row.duration_ms),
  };
}

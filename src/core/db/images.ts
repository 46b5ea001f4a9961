import { InternalError } from '../errors.js';
import type { Database, Queries } from './database.js';
import { SCHEMA } from './migrations/migration.js';

/** One study of a cohort, as PIXL's `image` table knows it. */
export interface CohortImage {
  /** Empty when the cohort has none. */
  readonly accessionNumber: string;
  /** Empty when the cohort has none. */
  readonly mrn: string;
  /** `YYYY-MM-DD`. */
  readonly studyDate: string;
  readonly studyUid: string | null;
  /** Whom the project knows the patient as; null = the anonymisation makes a pseudonym. At most 255 characters. */
  readonly pseudoPatientId: string | null;
}

/**
 * What one statement looks up. PIXL's own table has no index but its primary key, so each statement reads all of it: in
 * batches of 1,000 a cohort of 100,000 beside 300,000 rows would read forty million. The lock is still not held for long.
 */
export const LOOKUP_BATCH = 25_000;

/** The extract of this slug, made when there is none. Of several with one slug (PIXL forbids none) it is the first. */
export async function findOrCreateExtract(database: Database, slug: string): Promise<number> {
  return database.transaction(async (queries) => {
    // The table has no unique key, and gets none from us: two at once must not both find nothing.
    await lockUntilCommit(queries, `extract ${slug}`);
    const { rows } = await queries.query<{ extract_id: number }>(
      `SELECT extract_id FROM ${SCHEMA}.extract WHERE slug = $1 ORDER BY extract_id LIMIT 1`,
      [slug],
    );
    if (rows[0] !== undefined) return rows[0].extract_id;
    const made = await queries.query<{ extract_id: number }>(
      `INSERT INTO ${SCHEMA}.extract (slug) VALUES ($1) RETURNING extract_id`,
      [slug],
    );
    const [row] = made.rows;
    if (row === undefined) throw new InternalError('an inserted extract was not returned');
    return row.extract_id;
  });
}

/** What was there of some studies, and what was not. */
export interface EnteredImages {
  /** How many were added. */
  readonly added: number;
  /** For each: whether it is exported already. */
  readonly exported: readonly boolean[];
}

/**
 * Adds those that the extract does not hold yet; doing it again adds nothing. As with PIXL, a row that is there keeps
 * what it holds, its pseudonym too.
 *
 * Which are exported is told as by `exportedStudies`.
 */
export async function addImages(
  database: Database,
  extractId: number,
  images: readonly CohortImage[],
): Promise<EnteredImages> {
  let added = 0;
  const exported = await inBatches(images, async (batch, places) =>
    database.transaction(async (queries) => {
      await lockUntilCommit(queries, `images ${extractId}`);
      await joinByHash(queries);
      const pseudoPatientIds = batch.map(({ pseudoPatientId }) => pseudoPatientId);
      const { rows } = await queries.query<{ added: number; exported: readonly number[] }>(ADD, [
        ...[extractId, ...columnsOf(batch)],
        pseudoPatientIds,
      ]);
      for (const row of rows) {
        added += row.added;
        places.push(...row.exported);
      }
    }),
  );
  return { added, exported };
}

/**
 * Which of these are exported already: for each, true or false. A row that PIXL wrote without a study UID stands for
 * every study of its MRN, accession number and date; where several rows fit, all of them have to be exported.
 */
export async function exportedStudies(
  database: Database,
  extractId: number,
  images: readonly CohortImage[],
): Promise<boolean[]> {
  return inBatches(images, async (batch, places) =>
    database.transaction(async (queries) => {
      await joinByHash(queries);
      const { rows } = await queries.query<{ place: number }>(EXPORTED, [extractId, ...columnsOf(batch)]);
      for (const { place } of rows) places.push(place);
    }),
  );
}

/** @param look fills in the places of those that are exported, counted from 1 in the batch */
async function inBatches(
  images: readonly CohortImage[],
  look: (batch: readonly CohortImage[], places: number[]) => Promise<void>,
): Promise<boolean[]> {
  const exported = images.map(() => false);
  for (let start = 0; start < images.length; start += LOOKUP_BATCH) {
    const places: number[] = [];
    await look(images.slice(start, start + LOOKUP_BATCH), places);
    for (const place of places) exported[start + place - 1] = true;
  }
  return exported;
}

/** A study that has been exported, by what the cohort and the safe haven call it. */
export interface ExportedImage {
  readonly mrn: string;
  readonly accessionNumber: string;
  /** null = PIXL wrote the row without it. */
  readonly studyUid: string | null;
  /** null = nobody filled it in. */
  readonly pseudoStudyUid: string | null;
}

/** The project's studies that are in the safe haven, as one snapshot has them; whoever links them looks at their names. */
export function exportedImages(
  database: Database,
  slug: string,
): AsyncGenerator<ExportedImage, void, undefined> {
  return database.stream<ExportedImage>(
    `SELECT i.mrn, i.accession_number AS "accessionNumber", i.study_uid AS "studyUid",
            i.pseudo_study_uid AS "pseudoStudyUid"
     FROM ${SCHEMA}.image i JOIN ${SCHEMA}.extract e USING (extract_id)
     WHERE e.slug = $1 AND i.exported_at IS NOT NULL`,
    [slug],
  );
}

const given = (columns: string, arrays: string): string => `given AS MATERIALIZED (
  SELECT accession_number, mrn, study_date::date AS study_date, study_uid, ${columns} place::integer AS place
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]${arrays})
    WITH ORDINALITY AS g (accession_number, mrn, study_date, study_uid, ${columns} place)
)`;

/** Those of the given that the extract holds. Its rows and the given are read once each. */
const FOUND = `found AS MATERIALIZED (
  SELECT given.place, bool_and(i.exported_at IS NOT NULL) AS is_exported
  FROM given JOIN ${SCHEMA}.image i
    ON i.extract_id = $1 AND i.accession_number = given.accession_number AND i.mrn = given.mrn
    AND i.study_date = given.study_date
    AND (i.study_uid IS NULL OR given.study_uid IS NULL OR i.study_uid = given.study_uid)
  GROUP BY given.place
)`;

const ADD = `
  WITH ${given('pseudo_patient_id,', ', $6::text[]')}, ${FOUND}, added AS (
    INSERT INTO ${SCHEMA}.image (extract_id, accession_number, mrn, study_date, study_uid, pseudo_patient_id)
    SELECT DISTINCT ON (accession_number, mrn, study_date, study_uid)
      $1::integer, accession_number, mrn, study_date, study_uid, pseudo_patient_id
    FROM given WHERE NOT EXISTS (SELECT 1 FROM found WHERE found.place = given.place)
    ORDER BY accession_number, mrn, study_date, study_uid, place
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM added)::integer AS added, ARRAY(SELECT place FROM found WHERE is_exported) AS exported`;

const EXPORTED = `WITH ${given('', '')}, ${FOUND} SELECT place FROM found WHERE is_exported`;

/**
 * For this transaction. What the server knows of an extract's number of rows is wrong until it has looked again by itself, also
 * on our own tables: a new one has none, it believes, and then a nested loop compares each with each.
 */
async function joinByHash(queries: Queries): Promise<void> {
  await queries.query("SELECT set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)");
}

function columnsOf(images: readonly CohortImage[]): (readonly (string | null)[])[] {
  return [
    images.map(({ accessionNumber }) => accessionNumber),
    images.map(({ mrn }) => mrn),
    images.map(({ studyDate }) => studyDate),
    images.map(({ studyUid }) => studyUid),
  ];
}

/** Of several transactions that lock the same, one goes on at a time. */
export async function lockUntilCommit(queries: Queries, what: string): Promise<void> {
  await queries.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`pixl-imaging ${what}`]);
}

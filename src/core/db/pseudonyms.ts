import type { Database, Queries } from './database.js';
import { spellings, trimmed } from './exportable.js';
import { SCHEMA } from './migrations/migration.js';

/** A study as its instances name it. Empty texts where they say nothing. */
export interface OriginalStudy {
  /** The project's slug, by which PIXL's tables know it. */
  readonly project: string;
  readonly patientId: string;
  readonly accessionNumber: string;
  readonly studyInstanceUid: string;
}

/** What stands for a study and its patient. */
export interface StudyPseudonyms {
  readonly studyUid: string;
  readonly patientId: string;
}

interface Row {
  readonly id: number;
  /** Of the study, and not only of its patient. */
  readonly isStudy: boolean;
  readonly uid: string | null;
  readonly study: string | null;
  readonly patient: string | null;
}

/** PS3.5 9.1. */
const UID = /^[0-9.]{1,64}$/;

/**
 * The pseudonyms of PIXL's table `image`: those that are filled in are used, others are filled in, so that exports and the
 * linker find a study by the UID that the anonymising store gave it.
 */
export class ImagePseudonyms {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * What stands for a study: what the project's rows have for its MRN and accession number, or else for its UID; for its patient
   * what any row has for the MRN. Where they have nothing, `made`, which they keep. A pseudonym that is an original is none.
   *
   * @throws DatabaseUnavailableError, DatabaseError
   */
  async settled(study: OriginalStudy, made: StudyPseudonyms): Promise<StudyPseudonyms> {
    const rows = await rowsOf(this.#database, study);
    const ofStudy = rows.filter(({ isStudy }) => isStudy);
    const originals = new Set([study.studyInstanceUid, ...rows.map(({ uid }) => trimmed(uid))]);
    const uids = ofStudy.map((row) => row.study).filter((uid) => UID.test(uid ?? '') && !originals.has(uid));
    const patientIds = rows
      .map(({ patient }) => patient)
      .filter((id) => id !== null && id !== study.patientId);
    const settled = { studyUid: uids[0] ?? made.studyUid, patientId: patientIds[0] ?? made.patientId };
    const lacking = ofStudy.filter((row) => row.study === null || row.patient === null);
    if (lacking.length > 0) await fill(this.#database, lacking, settled);
    return settled;
  }
}

/** Rows of the very request come before those that have the study's UID, and those before others of the patient. */
async function rowsOf(queries: Queries, study: OriginalStudy): Promise<Row[]> {
  const { project, patientId, accessionNumber, studyInstanceUid } = study;
  const { rows } = await queries.query<Row & { readonly rank: number }>(
    `SELECT * FROM (
       SELECT i.image_id AS id, i.study_uid AS uid, i.pseudo_study_uid AS study, i.pseudo_patient_id AS patient,
         CASE WHEN $3 <> '' AND i.mrn = $2 AND i.accession_number = $3 THEN 0
              WHEN i.study_uid = ANY($4::text[]) THEN 1
              WHEN $2 <> '' AND i.mrn = $2 THEN 2 END AS rank
       FROM ${SCHEMA}.image i JOIN ${SCHEMA}.extract e USING (extract_id) WHERE e.slug = $1
     ) AS ranked WHERE rank IS NOT NULL ORDER BY rank, id`,
    [project, withoutNul(patientId), withoutNul(accessionNumber), spellings([withoutNul(studyInstanceUid)])],
  );
  return rows.map(({ id, uid, rank, ...row }) => ({
    ...{ id, uid, isStudy: rank < 2 },
    study: trimmed(row.study),
    patient: trimmed(row.patient),
  }));
}

/** PostgreSQL has no text with a NUL in it. */
const withoutNul = (text: string): string => text.replaceAll('\0', '');

/** What somebody has filled in since stays. */
async function fill(
  queries: Queries,
  rows: readonly Row[],
  { studyUid, patientId }: StudyPseudonyms,
): Promise<void> {
  await queries.query(
    `UPDATE ${SCHEMA}.image SET
       pseudo_study_uid = CASE WHEN coalesce(btrim(pseudo_study_uid), '') = '' THEN $2 ELSE pseudo_study_uid END,
       pseudo_patient_id = CASE WHEN coalesce(btrim(pseudo_patient_id), '') = '' THEN $3 ELSE pseudo_patient_id END
     WHERE image_id = ANY($1::integer[])`,
    [rows.map(({ id }) => id), studyUid, patientId],
  );
}

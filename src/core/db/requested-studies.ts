import type { CohortImage } from './images.js';
import type { Queries } from './database.js';
import { SCHEMA } from './migrations/migration.js';

/**
 * Studies that a cohort asks for and that are not exported yet, the last ones first.
 *
 * @throws DatabaseUnavailableError, DatabaseError
 */
export async function requestedStudies(queries: Queries, limit: number): Promise<readonly CohortImage[]> {
  const { rows } = await queries.query<CohortImage>(
    `SELECT accession_number AS "accessionNumber", mrn, study_date::text AS "studyDate", study_uid AS "studyUid"
     FROM ${SCHEMA}.image WHERE exported_at IS NULL ORDER BY image_id DESC LIMIT $1`,
    [limit],
  );
  return rows;
}

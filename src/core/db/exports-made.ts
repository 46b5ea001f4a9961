import type { Database } from './database.js';
import { SCHEMA } from './migrations/migration.js';
import { utc } from './settings.js';

/** A file as it was sent. */
export interface SentFile {
  /** What it went to, for people, without secrets. */
  readonly destination: string;
  /** Its name there. */
  readonly path: string;
  readonly images: number;
  readonly bytes: number;
  /** In hex digits. */
  readonly sha256: string;
}

/** An export of a study. */
export interface ExportMade extends SentFile {
  readonly pseudoStudyUid: string;
  /** ISO 8601, UTC. */
  readonly exportedAt: string;
}

/** The exports of a project in their order, as a stream. @throws DatabaseUnavailableError, DatabaseError */
export async function* exportsMade(
  database: Database,
  slug: string,
): AsyncGenerator<ExportMade, void, undefined> {
  const rows = database.stream<Omit<ExportMade, 'bytes'> & { readonly bytes: string }>(
    `SELECT pseudo_study_uid AS "pseudoStudyUid", destination, path, images, bytes::text AS bytes, sha256,
            ${utc('exported_at')} AS "exportedAt"
     FROM ${SCHEMA}.exported WHERE slug = $1 ORDER BY exported_id`,
    [slug],
  );
  for await (const row of rows) yield { ...row, bytes: Number(row.bytes) };
}

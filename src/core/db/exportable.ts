import type { Database, Queries } from './database.js';
import type { SentFile } from './exports-made.js';
import { lockUntilCommit } from './images.js';
import { SCHEMA } from './migrations/migration.js';

/** A study of a project, as the cohort and the safe haven know it. */
export interface ExportableStudy {
  /** Its UID in the anonymising store, which is its name in the safe haven; null where nobody filled it in. */
  readonly pseudoStudyUid: string | null;
  readonly isExported: boolean;
}

/** What identifies a study in the archives, as far as any row of the database knows it. Each value once, none empty. */
export interface KnownIdentifiers {
  readonly mrns: readonly string[];
  readonly accessionNumbers: readonly string[];
  readonly studyUids: readonly string[];
  /** MRN and accession number of one row, where it has both. */
  readonly pairs: readonly (readonly [mrn: string, accessionNumber: string])[];
  /** Those of the studies of which the ledger says that images were delivered. */
  readonly delivered: readonly string[];
}

/** A value without the padding that DICOM (PS3.5 6.2) and files give it; null when nothing is left. */
export function trimmed(value: string | null): string | null {
  const text = (value ?? '').replace(/^[\0\s]+|[\0\s]+$/g, '');
  return text === '' ? null : text;
}

/** As it may stand in a column; with more padding than DICOM's it is another value, and found by nobody. */
export const spellings = (uids: readonly string[]): string[] => uids.flatMap((uid) => [uid, `${uid} `]);

/**
 * Looks a study up by its pseudonymous UID, or else by the cohort's, or else by the one that an archive gave for the MRN and
 * accession number of a row (the ledger knows that).
 *
 * @returns null when the project has no such study
 */
export async function findExportable(
  queries: Queries,
  slug: string,
  studyUid: string,
): Promise<ExportableStudy | null> {
  const uids = spellings([studyUid]);
  const conditions = ['i.pseudo_study_uid = ANY($2::text[])', 'i.study_uid = ANY($2::text[])'];
  if (await hasTable(queries, 'transfer')) conditions.push(FOUND_BY_ROW);
  for (const condition of conditions) {
    const rows = await rowsOf(queries, slug, condition, [uids]);
    if (rows.length > 0) return studyOf(rows);
  }
  return null;
}

/**
 * The studies that a message asked for, as the project's rows know them: by the study UID, or by MRN and accession number. Each
 * pseudonymous UID once; what several rows share is exported when one of them says so.
 */
export async function exportablesOf(
  queries: Queries,
  slug: string,
  asked: {
    readonly mrn: string | null;
    readonly accessionNumber: string | null;
    readonly studyUid: string | null;
  },
): Promise<ExportableStudy[]> {
  const condition = '(i.study_uid = ANY($2::text[]) OR (i.mrn = $3 AND i.accession_number = $4))';
  const uids = asked.studyUid === null ? [] : spellings([asked.studyUid]);
  const rows = await rowsOf(queries, slug, condition, [uids, asked.mrn, asked.accessionNumber]);
  const studies = new Map<string | null, boolean>();
  for (const { pseudo, exported } of rows) {
    const uid = trimmed(pseudo);
    studies.set(uid, exported || studies.get(uid) === true);
  }
  return [...studies].map(([pseudoStudyUid, isExported]) => ({ pseudoStudyUid, isExported }));
}

const FOUND_BY_ROW = `EXISTS (
  SELECT 1 FROM ${SCHEMA}.transfer t
  WHERE t.mrn = i.mrn AND t.accession_number = i.accession_number AND t.found_study_uids && $2::text[]
  AND (i.study_uid IS NULL OR i.study_uid = '' OR t.study_uid = i.study_uid))`;

interface StudyRow {
  readonly pseudo: string | null;
  readonly exported: boolean;
}

/** @param condition of a project's rows `i`; its parameters are $2 and those behind */
async function rowsOf(
  queries: Queries,
  slug: string,
  condition: string,
  params: readonly unknown[],
): Promise<readonly StudyRow[]> {
  const { rows } = await queries.query<StudyRow>(
    `SELECT i.pseudo_study_uid AS pseudo, i.exported_at IS NOT NULL AS exported
     FROM ${SCHEMA}.image i JOIN ${SCHEMA}.extract e USING (extract_id)
     WHERE e.slug = $1 AND ${condition} ORDER BY i.pseudo_study_uid, i.image_id`,
    [slug, ...params],
  );
  return rows;
}

/** The first pseudonym of those that the rows have. */
function studyOf(rows: readonly StudyRow[]): ExportableStudy {
  const named = rows.find(({ pseudo }) => trimmed(pseudo) !== null) ?? rows[0];
  const pseudoStudyUid = trimmed(named?.pseudo ?? null);
  const same = rows.filter(({ pseudo }) => trimmed(pseudo) === pseudoStudyUid);
  return { pseudoStudyUid, isExported: same.some(({ exported }) => exported) };
}

/**
 * What identifies the study behind a pseudonymous UID: of every row that has this UID, or the study UID of such a row, in
 * whatever project, and of the messages in the ledger that asked for them.
 */
export async function identifiersBehind(queries: Queries, pseudoStudyUid: string): Promise<KnownIdentifiers> {
  const found = new Gathered();
  // A second pass finds the rows of other projects, which know the study by another pseudonym or by none.
  for (let pass = 0; pass < 2; pass += 1) {
    const { rows } = await queries.query<IdentifiedRow>(
      `SELECT mrn, accession_number AS accession, study_uid AS uid FROM ${SCHEMA}.image
       WHERE pseudo_study_uid = ANY($1::text[]) OR study_uid = ANY($2::text[])`,
      [spellings([pseudoStudyUid]), spellings([pseudoStudyUid, ...found.studyUids])],
    );
    for (const row of rows) found.add(row);
  }
  const delivered = new Set<string>();
  if (await hasTable(queries, 'transfer')) {
    const { rows } = await queries.query<IdentifiedRow & { found: readonly string[]; delivered: number }>(
      `SELECT coalesce(mrn, '') AS mrn, coalesce(accession_number, '') AS accession, study_uid AS uid,
              found_study_uids AS found, images_delivered AS delivered
       FROM ${SCHEMA}.transfer
       WHERE (accession_number, mrn) IN (SELECT * FROM unnest($1::text[], $2::text[])) OR study_uid = ANY($3::text[])`,
      [found.pairs.map(([, accession]) => accession), found.pairs.map(([mrn]) => mrn), found.studyUids],
    );
    for (const row of rows) {
      found.add(row);
      for (const uid of row.found) {
        found.addStudyUid(uid);
        if (row.delivered > 0) delivered.add(uid);
      }
    }
  }
  return { ...found.all(), delivered: [...delivered] };
}

interface IdentifiedRow {
  readonly mrn: string;
  readonly accession: string;
  readonly uid: string | null;
}

class Gathered {
  readonly #mrns = new Set<string>();
  readonly #accessionNumbers = new Set<string>();
  readonly #studyUids = new Set<string>();
  readonly #pairs = new Map<string, readonly [string, string]>();

  add({ mrn, accession, uid }: IdentifiedRow): void {
    const [ofPatient, ofStudy] = [trimmed(mrn), trimmed(accession)];
    if (ofPatient !== null) this.#mrns.add(ofPatient);
    if (ofStudy !== null) this.#accessionNumbers.add(ofStudy);
    if (ofPatient !== null && ofStudy !== null)
      this.#pairs.set(JSON.stringify([ofPatient, ofStudy]), [ofPatient, ofStudy]);
    this.addStudyUid(uid);
  }

  addStudyUid(uid: string | null): void {
    const text = trimmed(uid);
    if (text !== null) this.#studyUids.add(text);
  }

  get studyUids(): string[] {
    return [...this.#studyUids];
  }

  get pairs(): (readonly [string, string])[] {
    return [...this.#pairs.values()];
  }

  all(): Omit<KnownIdentifiers, 'delivered'> {
    return {
      mrns: [...this.#mrns],
      accessionNumbers: [...this.#accessionNumbers],
      studyUids: this.studyUids,
      pairs: this.pairs,
    };
  }
}

/**
 * Whether one of these names is a study UID, an MRN or an accession number of a row: such a name tells who it is about.
 */
export async function identifies(queries: Queries, names: readonly string[]): Promise<boolean> {
  const { rows } = await queries.query<{ known: boolean }>(
    `SELECT EXISTS (
       SELECT 1 FROM ${SCHEMA}.image
       WHERE study_uid = ANY($1::text[]) OR mrn = ANY($2::text[]) OR accession_number = ANY($2::text[])
     ) AS known`,
    [spellings(names), names],
  );
  return rows[0]?.known === true;
}

/** The MRNs of the rows that know a study by one of these pseudonyms. */
export async function mrnsBehind(queries: Queries, pseudoStudyUids: readonly string[]): Promise<string[]> {
  const { rows } = await queries.query<{ mrn: string }>(
    `SELECT DISTINCT mrn FROM ${SCHEMA}.image WHERE pseudo_study_uid = ANY($1::text[])`,
    [spellings(pseudoStudyUids)],
  );
  return rows.map(({ mrn }) => mrn);
}

/** The tables of the service may not be there: PIXL's database, before the first migration. */
export async function hasTable(
  queries: Queries,
  table: 'transfer' | 'delivered' | 'exported',
): Promise<boolean> {
  const { rows } = await queries.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    `${SCHEMA}.${table}`,
  ]);
  return rows[0]?.there === true;
}

/**
 * Does `place` and notes in the same transaction that the study has been exported; of several at once, also in other
 * processes, the first. When `place` throws nothing is noted.
 *
 * @returns nothing was done: `already` when it was exported before, `unknown` when the project has no such study,
 *   `identified` when the name is one that an archive knows
 */
export async function exportOnce(
  database: Database,
  slug: string,
  pseudoStudyUid: string,
  sent: SentFile,
  place: () => Promise<void>,
): Promise<'exported' | 'already' | 'unknown' | 'identified'> {
  return database.transaction(async (queries) => {
    await lockUntilCommit(queries, `export ${slug} ${pseudoStudyUid}`);
    const study = await findExportable(queries, slug, pseudoStudyUid);
    if (study?.pseudoStudyUid !== pseudoStudyUid) return 'unknown';
    if (study.isExported) return 'already';
    if ((await identifiersBehind(queries, pseudoStudyUid)).studyUids.includes(pseudoStudyUid))
      return 'identified';
    await place();
    const at = new Date().toISOString();
    await queries.query(
      `UPDATE ${SCHEMA}.image i SET exported_at = $3::timestamptz
       FROM ${SCHEMA}.extract e WHERE e.extract_id = i.extract_id AND e.slug = $1 AND i.exported_at IS NULL
       AND i.pseudo_study_uid = ANY($2::text[])`,
      [slug, spellings([pseudoStudyUid]), at],
    );
    const { destination, path, images, bytes, sha256 } = sent;
    if (await hasTable(queries, 'exported'))
      await queries.query(
        `INSERT INTO ${SCHEMA}.exported (slug, pseudo_study_uid, destination, path, images, bytes, sha256, exported_at)
         VALUES ($1, $2, $3, $4, $5, $6::bigint, $7, $8::timestamptz)`,
        [slug, pseudoStudyUid, destination, path, images, bytes, sha256, at],
      );
    return 'exported';
  });
}

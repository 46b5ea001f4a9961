import type { Queries } from '../database.js';
import { MADE_BY_US, makerOfTable, SCHEMA, type Migration } from './migration.js';

/**
 * PIXL's own two tables, as its alembic migrations leave them. Where they are there already they are used as they are:
 * not a column, an index or a comment is added to them, here or by any later step.
 */
export const extractAndImage: Migration = {
  name: '0001-extract-and-image',

  up: async (queries) => {
    const statements: string[] = [];
    if ((await makerOfTable(queries, 'extract')) === null)
      statements.push(
        `CREATE TABLE ${SCHEMA}.extract (
          extract_id serial PRIMARY KEY,
          slug varchar NOT NULL
        )`,
        `COMMENT ON TABLE ${SCHEMA}.extract IS '${MADE_BY_US}'`,
      );
    if ((await makerOfTable(queries, 'image')) === null)
      statements.push(
        `CREATE TABLE ${SCHEMA}.image (
          image_id serial PRIMARY KEY,
          accession_number varchar NOT NULL,
          study_date date NOT NULL,
          mrn varchar NOT NULL,
          study_uid varchar,
          pseudo_study_uid varchar,
          exported_at timestamptz,
          extract_id integer NOT NULL REFERENCES ${SCHEMA}.extract (extract_id),
          pseudo_patient_id varchar(255)
        )`,
        `COMMENT ON TABLE ${SCHEMA}.image IS '${MADE_BY_US}'`,
        `CREATE INDEX image_extract_accession_idx ON ${SCHEMA}.image (extract_id, accession_number, mrn)`,
        `CREATE INDEX image_pseudo_study_uid_idx ON ${SCHEMA}.image (pseudo_study_uid)`,
      );
    return statements;
  },

  /** Only what `up` made goes, and only when it is empty: the rows are the cohort's, and other services share them. */
  down: async (queries) => {
    const statements: string[] = [];
    const imageGoes = (await makerOfTable(queries, 'image')) === 'ours' && (await isEmpty(queries, 'image'));
    if (imageGoes) statements.push(`DROP TABLE ${SCHEMA}.image`);
    const isReferred = !imageGoes && (await makerOfTable(queries, 'image')) !== null;
    if (
      !isReferred &&
      (await makerOfTable(queries, 'extract')) === 'ours' &&
      (await isEmpty(queries, 'extract'))
    )
      statements.push(`DROP TABLE ${SCHEMA}.extract`);
    return statements;
  },
};

async function isEmpty(queries: Queries, table: 'extract' | 'image'): Promise<boolean> {
  const { rows } = await queries.query<{ held: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM ${SCHEMA}.${table}) AS held`,
  );
  return rows[0]?.held === false;
}

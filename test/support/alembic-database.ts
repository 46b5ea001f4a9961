/**
 * What PIXL's alembic migrations do to a database, step by step, written down from what alembic 1.20 with
 * SQLAlchemy 2.1 sends to the server for PIXL's revisions (its version table is in the schema of the tables).
 */
export const ALEMBIC_STEPS: readonly { readonly revision: string; readonly sql: readonly string[] }[] = [
  {
    revision: 'bcaef54e2bfe',
    sql: [
      `CREATE TABLE pixl_pipeline.extract (
        extract_id SERIAL NOT NULL,
        slug VARCHAR NOT NULL,
        PRIMARY KEY (extract_id)
      )`,
      `CREATE TABLE pixl_pipeline.image (
        image_id SERIAL NOT NULL,
        accession_number VARCHAR NOT NULL,
        study_date DATE NOT NULL,
        mrn VARCHAR NOT NULL,
        hashed_identifier VARCHAR,
        exported_at TIMESTAMP WITH TIME ZONE,
        extract_id INTEGER NOT NULL,
        PRIMARY KEY (image_id),
        FOREIGN KEY(extract_id) REFERENCES pixl_pipeline.extract (extract_id)
      )`,
    ],
  },
  {
    revision: 'cb5ee12a6e20',
    sql: ['ALTER TABLE pixl_pipeline.image RENAME hashed_identifier TO pseudo_study_uid'],
  },
  { revision: '83dcb3812628', sql: ['ALTER TABLE pixl_pipeline.image ADD COLUMN study_uid VARCHAR'] },
  {
    revision: 'd947cc715eb1',
    sql: ['ALTER TABLE pixl_pipeline.image ADD COLUMN pseudo_patient_id VARCHAR(255)'],
  },
];

/** The statements up to and including `revision`; without one all four steps. */
export function alembicStatements(revision = 'd947cc715eb1'): string[] {
  const last = ALEMBIC_STEPS.findIndex((step) => step.revision === revision);
  const statements = [
    'CREATE SCHEMA IF NOT EXISTS pixl_pipeline',
    `CREATE TABLE pixl_pipeline.alembic_version (
      version_num VARCHAR(32) NOT NULL,
      CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )`,
  ];
  ALEMBIC_STEPS.slice(0, last + 1).forEach((step, place) => {
    statements.push(
      ...step.sql,
      place === 0
        ? `INSERT INTO pixl_pipeline.alembic_version (version_num) VALUES ('${step.revision}')`
        : `UPDATE pixl_pipeline.alembic_version SET version_num='${step.revision}'`,
    );
  });
  return statements;
}

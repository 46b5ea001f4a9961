import { makerOfTable, SCHEMA, type Migration } from './migration.js';

/**
 * Which instances were given to the anonymising store, for exports, which look for their UIDs. A study of 500 images takes
 * 4 KiB: eight bytes of a hash for each image are compared within one study only, where two that are equal by chance are
 * one in 10^14. They are random bytes, which compression would only cost time on.
 *
 * And what exports look up: the messages of a patient's accession number, and rows of the cohort by their study UID; on
 * tables that PIXL made nothing is added.
 */
export const delivered: Migration = {
  name: '0003-delivered',

  up: async (queries) => [
    `CREATE TABLE ${SCHEMA}.delivered (
      study_uid text NOT NULL,
      instances_digest bytea NOT NULL,
      instances bytea NOT NULL,
      delivered_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (study_uid, instances_digest)
    )`,
    `ALTER TABLE ${SCHEMA}.delivered ALTER COLUMN instances SET STORAGE EXTERNAL`,
    `COMMENT ON COLUMN ${SCHEMA}.delivered.study_uid IS 'as the archive has it'`,
    `COMMENT ON COLUMN ${SCHEMA}.delivered.instances IS 'of each SOP Instance UID, as the archive has it, the first 8 bytes of its SHA-256; sorted'`,
    `COMMENT ON COLUMN ${SCHEMA}.delivered.instances_digest IS 'SHA-256 of instances'`,
    `CREATE INDEX transfer_accession_idx ON ${SCHEMA}.transfer (accession_number, mrn)`,
    `CREATE INDEX transfer_study_uid_idx ON ${SCHEMA}.transfer (study_uid)`,
    ...((await makerOfTable(queries, 'image')) === 'ours'
      ? [`CREATE INDEX image_study_uid_idx ON ${SCHEMA}.image (study_uid)`]
      : []),
  ],

  down: () =>
    Promise.resolve([
      `DROP INDEX IF EXISTS ${SCHEMA}.image_study_uid_idx`,
      `DROP INDEX ${SCHEMA}.transfer_study_uid_idx`,
      `DROP INDEX ${SCHEMA}.transfer_accession_idx`,
      `DROP TABLE ${SCHEMA}.delivered`,
    ]),
};

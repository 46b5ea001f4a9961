import { SCHEMA, type Migration } from './migration.js';

/** The service's own tables: the ledger, and what survives a restart. */
export const transferAndSetting: Migration = {
  name: '0002-transfer-and-setting',

  up: () =>
    Promise.resolve([
      `CREATE TABLE ${SCHEMA}.transfer (
        transfer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        message_key text NOT NULL UNIQUE,
        project_name text,
        mrn text,
        accession_number text,
        study_uid text,
        series_uid text,
        study_date date,
        procedure_occurrence_id bigint,
        extract_generated_timestamp text,
        queue text NOT NULL,
        archive text NOT NULL CHECK (archive IN ('primary', 'secondary')),
        outcome text NOT NULL
          CHECK (outcome IN ('delivered', 'retrieved', 'missing', 'incomplete', 'failed', 'rejected')),
        code text,
        reason text,
        found_study_uids text[] NOT NULL,
        images_expected integer NOT NULL,
        images_already_in_raw integer NOT NULL,
        images_retrieved integer NOT NULL,
        images_delivered integer NOT NULL,
        missing_uids text[] NOT NULL,
        refused jsonb NOT NULL,
        warnings integer NOT NULL,
        bytes_delivered bigint NOT NULL,
        attempts integer NOT NULL,
        received_at timestamptz NOT NULL,
        finished_at timestamptz NOT NULL,
        duration_ms bigint NOT NULL
      )`,
      `COMMENT ON COLUMN ${SCHEMA}.transfer.message_key IS 'SHA-256 of what the message asks for; of its body when that cannot be read'`,
      `COMMENT ON COLUMN ${SCHEMA}.transfer.study_uid IS 'as the message asks; found_study_uids are those that the archive gave'`,
      `COMMENT ON COLUMN ${SCHEMA}.transfer.received_at IS 'when it came first; finished_at and duration_ms are those of the last ending'`,
      `CREATE INDEX transfer_outcome_idx ON ${SCHEMA}.transfer (outcome, project_name)`,
      `CREATE INDEX transfer_project_idx ON ${SCHEMA}.transfer (project_name, transfer_id)`,
      `CREATE TABLE ${SCHEMA}.setting (
        key text PRIMARY KEY,
        value jsonb NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now()
      )`,
    ]),

  down: () => Promise.resolve([`DROP TABLE ${SCHEMA}.setting`, `DROP TABLE ${SCHEMA}.transfer`]),
};

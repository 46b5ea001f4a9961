import { SCHEMA, type Migration } from './migration.js';

/** What became of each study that was exported: the row of PIXL's own says only when. */
export const exported: Migration = {
  name: '0006-exported',

  up: () =>
    Promise.resolve([
      `CREATE TABLE ${SCHEMA}.exported (
        exported_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        slug text NOT NULL,
        pseudo_study_uid text NOT NULL,
        destination text NOT NULL,
        path text NOT NULL,
        images integer NOT NULL,
        bytes bigint NOT NULL,
        sha256 text NOT NULL,
        exported_at timestamptz NOT NULL
      )`,
      `COMMENT ON TABLE ${SCHEMA}.exported IS 'each export of a study; one that was sent again has several rows'`,
      `COMMENT ON COLUMN ${SCHEMA}.exported.sha256 IS 'of the zip as it was sent, in hex digits'`,
      `CREATE INDEX exported_slug_idx ON ${SCHEMA}.exported (slug, exported_id)`,
    ]),

  down: () => Promise.resolve([`DROP TABLE ${SCHEMA}.exported`]),
};

import { SCHEMA, type Migration } from './migration.js';

/** What anon has acknowledged of messages that wait for another attempt; the row of a message goes when it ends. */
export const acknowledged: Migration = {
  name: '0004-acknowledged',

  up: () =>
    Promise.resolve([
      `CREATE TABLE ${SCHEMA}.acknowledged (
        message_key text PRIMARY KEY,
        sop_instance_uids text[] NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now()
      )`,
      `COMMENT ON COLUMN ${SCHEMA}.acknowledged.message_key IS 'as in transfer, whose row is written when the message ends'`,
      `ALTER TABLE ${SCHEMA}.transfer ADD COLUMN remarks text[] NOT NULL DEFAULT '{}'`,
    ]),

  down: () =>
    Promise.resolve([
      `ALTER TABLE ${SCHEMA}.transfer DROP COLUMN remarks`,
      `DROP TABLE ${SCHEMA}.acknowledged`,
    ]),
};

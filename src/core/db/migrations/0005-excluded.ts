import { SCHEMA, type Migration } from './migration.js';

const ENDINGS = ['delivered', 'retrieved', 'missing', 'incomplete', 'failed', 'rejected'];

const outcomesAre = (endings: readonly string[]): string =>
  `ALTER TABLE ${SCHEMA}.transfer ADD CONSTRAINT transfer_outcome_check
     CHECK (outcome IN (${endings.map((ending) => `'${ending}'`).join(', ')}))`;
const DROP_CHECK = `ALTER TABLE ${SCHEMA}.transfer DROP CONSTRAINT transfer_outcome_check`;

/** Instances that rules leave out, and messages of which nothing else is left. */
export const excluded: Migration = {
  name: '0005-excluded',

  up: () =>
    Promise.resolve([
      `ALTER TABLE ${SCHEMA}.transfer
         ADD COLUMN images_excluded integer NOT NULL DEFAULT 0,
         ADD COLUMN excluded jsonb NOT NULL DEFAULT '[]'`,
      `COMMENT ON COLUMN ${SCHEMA}.transfer.excluded IS 'which instances, and by which rule'`,
      DROP_CHECK,
      outcomesAre([...ENDINGS, 'excluded']),
      `ALTER TABLE ${SCHEMA}.acknowledged ADD COLUMN excluded jsonb NOT NULL DEFAULT '{}'`,
      `COMMENT ON COLUMN ${SCHEMA}.acknowledged.excluded IS 'instances that are left out for good, with the rule'`,
    ]),

  down: () =>
    Promise.resolve([
      `ALTER TABLE ${SCHEMA}.acknowledged DROP COLUMN excluded`,
      DROP_CHECK,
      // Nothing of it was delivered, and nothing is missing in raw.
      `UPDATE ${SCHEMA}.transfer SET outcome = 'retrieved' WHERE outcome = 'excluded'`,
      outcomesAre(ENDINGS),
      `ALTER TABLE ${SCHEMA}.transfer DROP COLUMN excluded, DROP COLUMN images_excluded`,
    ]),
};

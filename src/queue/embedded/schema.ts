import type { Database } from '../../core/db/index.js';

export const SCHEMA = 'pixl_queue';
/** Any number will do that no other program locks in the same database. */
const LOCK = 730_942_617;

/**
 * `message.place` is the order in which messages came into their queue; a message that is given back keeps its own. One
 * with `due_at` waits in a delay queue until then. One with a `consumer_id` is in that consumer's hands.
 * `consumer.started` is the server's start: after another start nobody's connection is left.
 */
const STATEMENTS = [
  `CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`,
  `CREATE SEQUENCE IF NOT EXISTS ${SCHEMA}.place`,
  `CREATE TABLE IF NOT EXISTS ${SCHEMA}.queue (
    name text PRIMARY KEY,
    return_to text,
    delay_ms bigint,
    CHECK ((return_to IS NULL) = (delay_ms IS NULL))
  )`,
  `CREATE TABLE IF NOT EXISTS ${SCHEMA}.consumer (
    consumer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text REFERENCES ${SCHEMA}.queue ON DELETE CASCADE,
    started timestamptz NOT NULL DEFAULT pg_postmaster_start_time(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
  )`,
  `CREATE TABLE IF NOT EXISTS ${SCHEMA}.message (
    message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL REFERENCES ${SCHEMA}.queue ON DELETE CASCADE,
    priority smallint NOT NULL,
    place bigint NOT NULL DEFAULT nextval('${SCHEMA}.place'),
    due_at timestamptz,
    consumer_id bigint,
    redelivered boolean NOT NULL DEFAULT false,
    properties json NOT NULL,
    body bytea NOT NULL
  )`,
  `CREATE INDEX IF NOT EXISTS message_ready_idx ON ${SCHEMA}.message (queue, priority DESC, place)
   WHERE consumer_id IS NULL AND due_at IS NULL`,
  `CREATE INDEX IF NOT EXISTS message_due_idx ON ${SCHEMA}.message (due_at) WHERE due_at IS NOT NULL`,
  `CREATE INDEX IF NOT EXISTS message_held_idx ON ${SCHEMA}.message (consumer_id) WHERE consumer_id IS NOT NULL`,
];

/** Makes the queue's tables unless they are there. @throws DatabaseUnavailableError, DatabaseError */
export async function makeTables(database: Database): Promise<void> {
  await database.transaction(async (queries) => {
    await queries.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const { rows } = await queries.query<{ there: boolean }>(
      `SELECT to_regclass('${SCHEMA}.message_held_idx') IS NOT NULL AS there`,
    );
    if (rows[0]?.there === true) return;
    for (const statement of STATEMENTS) await queries.query(statement);
  });
}

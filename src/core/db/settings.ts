import type { Database, Queries } from './database.js';
import { SCHEMA } from './migrations/migration.js';

export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export interface Setting {
  readonly value: JsonValue;
  /** ISO 8601, UTC. */
  readonly changedAt: string;
}

/** @returns undefined when it was never set */
export async function getSetting(queries: Queries, key: string): Promise<Setting | undefined> {
  const { rows } = await queries.query<{ value: string; changed_at: string }>(
    `SELECT value::text AS value, ${utc('changed_at')} AS changed_at FROM ${SCHEMA}.setting WHERE key = $1`,
    [key],
  );
  const [row] = rows;
  return row === undefined
    ? undefined
    : { value: JSON.parse(row.value) as JsonValue, changedAt: row.changed_at };
}

/** Sets it, whatever it was. */
export async function setSetting(queries: Queries, key: string, value: JsonValue): Promise<void> {
  await queries.query(
    `INSERT INTO ${SCHEMA}.setting (key, value, changed_at) VALUES ($1, $2::jsonb, now())
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at`,
    [key, JSON.stringify(value)],
  );
}

/**
 * Changes it by what it is, so that no change of another process in between is lost.
 *
 * @param change gives the new value; undefined = it was never set
 */
export async function updateSetting(
  database: Database,
  key: string,
  change: (setting: Setting | undefined) => JsonValue,
): Promise<void> {
  await database.transaction(async (queries) => {
    // A row that is not there yet can't be locked.
    await queries.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
      `${SCHEMA}.setting ${key}`,
    ]);
    await setSetting(queries, key, change(await getSetting(queries, key)));
  });
}

/** Back to what holds without it. */
export async function removeSetting(queries: Queries, key: string): Promise<void> {
  await queries.query(`DELETE FROM ${SCHEMA}.setting WHERE key = $1`, [key]);
}

/** A timestamptz as ISO 8601 text, whatever the session's time zone and date style. */
export function utc(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

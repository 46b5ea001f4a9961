import type { Queries } from './database.js';
import { SCHEMA } from './migrations/migration.js';

/** What the service does to its tables (see images, ledger, settings, delivered and acknowledged). */
const NEEDED: readonly (readonly [string, string])[] = [
  ...['extract', 'image', 'transfer'].flatMap((table) =>
    ['SELECT', 'INSERT', 'UPDATE'].map((privilege) => [table, privilege] as const),
  ),
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE'].map((privilege) => ['setting', privilege] as const),
  ...['SELECT', 'INSERT'].map((privilege) => ['delivered', privilege] as const),
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE'].map((privilege) => ['acknowledged', privilege] as const),
];

/**
 * What the user would need and does not have, as `INSERT on transfer`. The tables must be there.
 *
 * @throws DatabaseUnavailableError, DatabaseError
 */
export async function lackingPrivileges(queries: Queries): Promise<string[]> {
  const { rows } = await queries.query<{ lacking: string }>(
    `SELECT privilege || ' on ' || name AS lacking
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS needed (name, privilege, place)
     WHERE NOT has_table_privilege('${SCHEMA}.' || name, privilege) ORDER BY place`,
    [NEEDED.map(([table]) => table), NEEDED.map(([, privilege]) => privilege)],
  );
  return rows.map(({ lacking }) => lacking);
}

/**
 * What a user who is to run the migrations has not: `CREATE on the database`, where the schema has still to be made, or
 * `CREATE on the schema`; null = it may make what is lacking.
 *
 * @throws DatabaseUnavailableError, DatabaseError
 */
export async function lackingToMigrate(queries: Queries): Promise<string | null> {
  const { rows } = await queries.query<{ lacking: string | null }>(
    `SELECT CASE
       WHEN to_regnamespace('${SCHEMA}') IS NOT NULL
         THEN CASE WHEN NOT has_schema_privilege('${SCHEMA}', 'CREATE') THEN 'CREATE on the schema ${SCHEMA}' END
       WHEN NOT has_database_privilege(current_database(), 'CREATE') THEN 'CREATE on the database'
     END AS lacking`,
  );
  return rows[0]?.lacking ?? null;
}

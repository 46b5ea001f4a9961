import type { Queries } from './database.js';
import { SCHEMA } from './migrations/migration.js';

/** What the service does to its tables (see images, ledger, settings and delivered). */
const NEEDED: readonly (readonly [string, string])[] = [
  ...['extract', 'image', 'transfer'].flatMap((table) =>
    ['SELECT', 'INSERT', 'UPDATE'].map((privilege) => [table, privilege] as const),
  ),
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE'].map((privilege) => ['setting', privilege] as const),
  ...['SELECT', 'INSERT'].map((privilege) => ['delivered', privilege] as const),
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

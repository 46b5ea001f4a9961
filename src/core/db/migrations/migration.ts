import type { Queries } from '../database.js';

/** What is to be done with the database as it is now. */
export type Statements = (queries: Queries) => Promise<readonly string[]>;

/** One step of the schema; all steps run in one transaction. Its name is kept in the database, so neither name nor meaning may change once released. */
export interface Migration {
  readonly name: string;
  readonly up: Statements;
  readonly down: Statements;
}

export const SCHEMA = 'pixl_pipeline';

/** A comment on what this program made: what bears none was there before, and is left whole. */
export const MADE_BY_US = 'made by pixl-imaging';

/** 'ours' = bears our comment; 'theirs' = somebody else made it, as PIXL's alembic does. */
export type Maker = 'ours' | 'theirs' | null;

/** @returns null when there is no such table */
export async function makerOfTable(queries: Queries, table: string): Promise<Maker> {
  return makerOf(
    await queries.query<{ comment: string | null }>(
      "SELECT obj_description(c.oid, 'pg_class') AS comment FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
      [SCHEMA, table],
    ),
  );
}

/** @returns null when there is no such schema */
export async function makerOfSchema(queries: Queries): Promise<Maker> {
  return makerOf(
    await queries.query<{ comment: string | null }>(
      "SELECT obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = $1",
      [SCHEMA],
    ),
  );
}

function makerOf({ rows }: { readonly rows: readonly { readonly comment: string | null }[] }): Maker {
  const [row] = rows;
  if (row === undefined) return null;
  return row.comment === MADE_BY_US ? 'ours' : 'theirs';
}

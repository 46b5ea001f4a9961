import { fileURLToPath } from 'node:url';
import type { MigrationBuilder } from 'node-pg-migrate';
import type { ClientBase } from 'pg';
import { PixlError } from '../errors.js';
import type { Logger } from '../log.js';
import type { Database, Queries, QueryResult } from './database.js';
import { toDatabaseError } from './errors.js';
import { MIGRATIONS } from './migrations/index.js';
import { MADE_BY_US, makerOfSchema, makerOfTable, SCHEMA, type Statements } from './migrations/migration.js';

/** The tables are there, but not as PIXL's migrations leave them. */
export class SchemaMismatchError extends PixlError {
  readonly code = 'SCHEMA_MISMATCH';
  readonly retry = 'never';

  constructor(problem: string) {
    super(`database: ${problem}`);
  }
}

export interface MigrationStatus {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Who made `extract` and `image`; null = they are not there. */
  readonly cohortTables: 'pixl-imaging' | 'pixl' | null;
}

export interface MigrationResult extends MigrationStatus {
  /** The steps that were run now, in that order. */
  readonly changed: readonly string[];
}

const STEPS_TABLE = 'pixl_imaging_migration';
/** Any number will do that no other program locks in the same database. */
const LOCK = 730_942_616;

/** What of PIXL's tables the service reads and writes; further columns are theirs. */
const NEEDED_COLUMNS: Readonly<Record<'extract' | 'image', readonly string[]>> = {
  extract: ['extract_id', 'slug'],
  image: [
    'image_id',
    'accession_number',
    'study_date',
    'mrn',
    'study_uid',
    'pseudo_study_uid',
    'exported_at',
    'extract_id',
    'pseudo_patient_id',
  ],
};

/**
 * Brings the schema up to date: all pending steps in one transaction. Of several processes that do so at the same time
 * one works and the others wait.
 *
 * @throws SchemaMismatchError, DatabaseUnavailableError, DatabaseError; then nothing is changed
 */
export async function migrateUp(database: Database, log: Logger): Promise<MigrationResult> {
  return locked(database, async (queries) => {
    await checkCohortTables(queries);
    const before = await statusOf(queries);
    if (before.pending.length > 0) {
      await createSchema(queries);
      await run(queries, 'up', before.pending.length, log);
    }
    return { ...(await statusOf(queries)), changed: before.pending };
  });
}

/**
 * Takes back all that `migrateUp` made, the ledger included. Tables that somebody else made, and rows of the cohort,
 * stay.
 *
 * @throws SchemaMismatchError, DatabaseUnavailableError, DatabaseError; then nothing is changed
 */
export async function migrateDown(database: Database, log: Logger): Promise<MigrationResult> {
  return locked(database, async (queries) => {
    const before = await statusOf(queries);
    const unknown = before.applied.filter((step) => !MIGRATIONS.some(({ name }) => name === step));
    if (unknown.length > 0)
      throw new SchemaMismatchError(
        `a newer version made the schema: only it can take back ${unknown.join(', ')}`,
      );
    if (before.applied.length > 0) await run(queries, 'down', before.applied.length, log);
    await queries.query(`DROP TABLE IF EXISTS ${SCHEMA}.${STEPS_TABLE}`);
    await dropSchemaIfOurs(queries);
    return { ...(await statusOf(queries)), changed: before.applied.toReversed() };
  });
}

/** Changes nothing. */
export function migrationStatus(database: Database): Promise<MigrationStatus> {
  return statusOf(database);
}

/** The lock is the transaction's, not the session's: on the embedded database all clients have one session. */
async function locked<T>(database: Database, work: (queries: Queries) => Promise<T>): Promise<T> {
  return database.session(async (queries) => {
    await queries.query('BEGIN');
    try {
      await queries.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      const result = await work(queries);
      await queries.query('COMMIT');
      return result;
    } catch (error) {
      await queries.query('ROLLBACK').catch(() => undefined); // on a lost connection there is nothing to take back
      throw error;
    }
  });
}

async function statusOf(queries: Queries): Promise<MigrationStatus> {
  const applied = (await makerOfTable(queries, STEPS_TABLE)) === null ? [] : await appliedSteps(queries);
  const maker = await makerOfTable(queries, 'image');
  return {
    applied,
    pending: MIGRATIONS.map(({ name }) => name).filter((name) => !applied.includes(name)),
    cohortTables: maker === null ? null : maker === 'ours' ? 'pixl-imaging' : 'pixl',
  };
}

async function appliedSteps(queries: Queries): Promise<string[]> {
  const { rows } = await queries.query<{ name: string }>(
    `SELECT name FROM ${SCHEMA}.${STEPS_TABLE} ORDER BY id`,
  );
  return rows.map(({ name }) => name);
}

/**
 * Half a schema is worse than none: tables as an older PIXL left them are named before anything is added to them.
 *
 * @throws SchemaMismatchError
 */
export async function checkCohortTables(queries: Queries): Promise<void> {
  for (const table of ['extract', 'image'] as const) {
    const { rows } = await queries.query<{ name: string }>(
      'SELECT column_name::text AS name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2',
      [SCHEMA, table],
    );
    if (rows.length === 0) continue;
    const there = new Set(rows.map(({ name }) => name));
    const absent = NEEDED_COLUMNS[table].filter((column) => !there.has(column));
    if (absent.length > 0)
      throw new SchemaMismatchError(
        `the table ${SCHEMA}.${table} has no column ${absent.join(', ')}: bring it up to date first (PIXL: alembic upgrade head)`,
      );
  }
}

/** Asked for first, since IF NOT EXISTS demands the right to create even where there is nothing to do. */
async function createSchema(queries: Queries): Promise<void> {
  if ((await makerOfSchema(queries)) !== null) return;
  await queries.query(`CREATE SCHEMA ${SCHEMA}`);
  await queries.query(`COMMENT ON SCHEMA ${SCHEMA} IS '${MADE_BY_US}'`);
}

async function dropSchemaIfOurs(queries: Queries): Promise<void> {
  if ((await makerOfSchema(queries)) !== 'ours') return;
  const { rows } = await queries.query<{ held: boolean }>(
    'SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1) AS held',
    [SCHEMA],
  );
  if (rows[0]?.held === false) await queries.query(`DROP SCHEMA ${SCHEMA}`);
}

/** node-pg-migrate keeps the table of steps, checks their order and runs them. The transaction is ours. */
async function run(queries: Queries, direction: 'up' | 'down', count: number, log: Logger): Promise<void> {
  const { runner } = await import('node-pg-migrate'); // its loader of files is of no use to the other commands
  let failure: unknown;
  const client = {
    query: async (sql: string, params?: readonly unknown[]) => {
      if (/^\s*(BEGIN|COMMIT|ROLLBACK)\s*;?\s*$/i.test(sql)) return { rows: [], rowCount: 0 };
      try {
        return await queries.query(sql, params);
      } catch (error) {
        failure ??= error; // it wraps some of what it catches
        throw error;
      }
    },
  };
  try {
    await runner({
      dbClient: client as unknown as ClientBase,
      // It wants files to hand to its loader; the steps are modules of ours, and one file stands for them all.
      dir: fileURLToPath(new URL('./migrations', import.meta.url)),
      ignorePattern: '(?!index\\.[jt]s$).*',
      migrationLoaderStrategies: [{ extensions: ['.js', '.ts'], loader: () => Promise.resolve(units()) }],
      migrationsTable: STEPS_TABLE,
      migrationsSchema: SCHEMA,
      direction,
      count,
      singleTransaction: true,
      noLock: true, // ours spans what is done before and after
      logger: {
        debug: () => undefined,
        info: (text) => log.debug({ operation: 'migrate' }, text),
        warn: (text) => log.warn({ operation: 'migrate' }, text),
        error: () => undefined, // it prints the statement; the error is thrown as well
      },
    });
  } catch (error) {
    throw toDatabaseError(failure ?? error);
  }
}

/** The steps as the library's loader would give them. */
function units(): { id: string; filePaths: string[]; actions: { up: Action; down: Action } }[] {
  return MIGRATIONS.map(({ name, up, down }) => ({
    id: name,
    filePaths: [],
    actions: { up: actionOf(up), down: actionOf(down) },
  }));
}

type Action = (builder: MigrationBuilder) => Promise<void>;

function actionOf(statementsOf: Statements): Action {
  return async ({ db, sql }) => {
    const query = async <Row>(text: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> => {
      const { rows, rowCount } = await db.query(text, [...params]);
      return { rows: rows as Row[], rowCount: rowCount ?? 0 };
    };
    for (const statement of await statementsOf({ query })) sql(statement);
  };
}

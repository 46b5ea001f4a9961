import { Client } from 'pg';
import { alembicStatements } from '../test/support/alembic-database.js';
import { runCli } from '../test/support/cli.js';
import { databaseEnv, type DatabaseAddress, type Postgres } from '../test/support/postgres.js';

/** Whose tables: ours have an index for a study's lookup, PIXL's none but the primary key. */
export const TABLES = ['our tables', "PIXL's tables"] as const;

/** What their lines in the results begin with. */
export const TABLES_JOB = 'populate beside 300,000 of another extract';

/** Studies of another extract that are in the table before. */
const GROWN = 300_000;

/** A database whose tables hold another extract's studies; the server knows how many. */
export async function grownDatabase(
  postgres: Postgres,
  whose: (typeof TABLES)[number],
): Promise<DatabaseAddress> {
  const address = await postgres.createDatabase();
  if (whose === "PIXL's tables") await execute(address, alembicStatements());
  const { code, stderr } = await runCli(['migrate', 'up'], { env: databaseEnv(address) });
  if (code !== 0) throw new Error(`migrate up ended with ${code ?? 'a signal'}: ${stderr}`);
  await execute(address, [
    `INSERT INTO pixl_pipeline.extract (slug) VALUES ('another-extract')`,
    `INSERT INTO pixl_pipeline.image (extract_id, accession_number, mrn, study_date, study_uid)
     SELECT extract_id, 'AA' || i, 'M' || i / 4, DATE '2010-01-01' + i % 4000, '1.2.826.0.1.3680043.9.7156.2.' || i
     FROM pixl_pipeline.extract, generate_series(1, ${GROWN}) AS i`,
    'VACUUM ANALYZE pixl_pipeline.image',
  ]);
  return address;
}

async function execute(address: DatabaseAddress, statements: readonly string[]): Promise<void> {
  const client = new Client({ ...address, database: address.name, ssl: false });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

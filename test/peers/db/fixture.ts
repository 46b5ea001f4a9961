import { Client } from 'pg';
import {
  openDatabase,
  type Database,
  type DatabaseOptions,
  type DatabaseTls,
} from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { withEmbeddedDatabase } from '../../support/embedded.js';
import { sharedPostgres, type DatabaseAddress } from '../../support/postgres.js';

export interface OpenOptions extends Partial<DatabaseOptions> {
  readonly tls?: DatabaseTls;
}

/** Opens the database at `address` as the service does, and closes it after `work`. */
export async function withDatabaseAt<T>(
  address: DatabaseAddress,
  work: (database: Database) => Promise<T>,
  { tls, ...options }: OpenOptions = {},
): Promise<T> {
  const database = openDatabase({ ...address, tls: tls ?? null }, { log: silentLogger, ...options });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** The names of all migrations, as users see them. */
export const STEPS = [
  '0001-extract-and-image',
  '0002-transfer-and-setting',
  '0003-delivered',
  '0004-acknowledged',
  '0005-excluded',
  '0006-exported',
];

/** A new database of the shared server. */
export async function withDatabase<T>(
  work: (database: Database, address: DatabaseAddress) => Promise<T>,
  options: OpenOptions = {},
): Promise<T> {
  const address = await (await sharedPostgres()).createDatabase();
  return withDatabaseAt(address, (database) => work(database, address), options);
}

/** Both kinds of database, each a new one. */
export const DATABASES: readonly (readonly [
  name: string,
  withIt: (work: (database: Database) => Promise<void>) => Promise<void>,
])[] = [
  ['PostgreSQL', withDatabase],
  ['the embedded database', withEmbeddedDatabase],
];

/** Runs statements by a connection that is not the service's. */
export async function execute(address: DatabaseAddress, statements: readonly string[]): Promise<void> {
  const client = new Client({ ...address, database: address.name, ssl: false });
  try {
    await client.connect();
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** What `work` throws. @throws when it does not */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

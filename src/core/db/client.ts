import { randomUUID } from 'node:crypto';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { Client, Pool, type ClientConfig, type PoolClient } from 'pg';
import type { DatabaseConfig } from '../config/config.js';
import { describeError } from '../errors.js';
import type { Logger } from '../log.js';
import type { Database, Queries, QueryResult } from './database.js';
import { breaksConnection, toDatabaseError } from './errors.js';

/** PEM texts; null authorities = Node's own. The server's certificate and name are always verified. */
export interface DatabaseTls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** The name that the certificate must hold, when it is not the host's. */
  readonly servername?: string;
}

/** The configuration with its certificates read. */
export interface DatabaseSettings extends Omit<DatabaseConfig, 'tls'> {
  /** null = plain TCP. */
  readonly tls: DatabaseTls | null;
}

export interface DatabaseOptions {
  readonly log: Logger;
  /** Default 10: each message in hand may be writing its outcome. PostgreSQL itself allows 100 in all. */
  readonly maxConnections?: number;
  /** How long to wait for a connection, a free one of the pool included. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** How long a statement may take, by the server's clock; ours gives up a little later. Default 30,000. */
  readonly statementTimeoutMs?: number;
  /** An idle connection is closed after this. Default 30,000. */
  readonly idleMs?: number;
}

/** What the network may add to a statement before we take the server for dead. */
const NETWORK_GRACE_MS = 5_000;
/** A transaction of ours does nothing but SQL; one that stands still has lost its client. */
const IDLE_IN_TRANSACTION_MS = 60_000;
/** Rows fetched at once by `stream`: some MB of a ledger, whose rows may each name a thousand instances. */
const FETCH_SIZE = 2_000;
/** The server sets all rows of a `stream` aside before it gives the first; those of a million-row ledger take it minutes. */
const STREAM_TIMEOUT_MS = 15 * 60_000;
/** The longest that a timer can be set to. */
const NO_LIMIT_MS = 2 ** 31 - 1;

/**
 * A pool of connections to PostgreSQL. Nothing is connected yet when it returns: the database may be away, and every
 * call says so for itself. The caller closes it.
 */
export function openDatabase(settings: DatabaseSettings, options: DatabaseOptions): Database {
  return new PostgresDatabase(settings, options);
}

class PostgresDatabase implements Database {
  readonly #pool: Pool;
  #closed: Promise<void> | undefined;

  constructor(settings: DatabaseSettings, options: DatabaseOptions) {
    const statementMs = options.statementTimeoutMs ?? 30_000;
    this.#pool = new Pool({
      Client: SafeClient,
      host: settings.host,
      port: settings.port,
      database: settings.name,
      user: settings.user,
      // A function, since without a password the driver would look for one in the environment and in files.
      password: () => settings.password ?? '',
      ssl: settings.tls === null ? false : tlsOptions(settings.tls, settings.host),
      application_name: 'pixl-imaging',
      max: options.maxConnections ?? 10,
      connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
      idleTimeoutMillis: options.idleMs ?? 30_000,
      statement_timeout: statementMs,
      query_timeout: statementMs + NETWORK_GRACE_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
      keepAlive: true,
    });
    this.#pool.on('error', (error) => {
      options.log.warn(
        { operation: 'database', reason: describeError(toDatabaseError(error)) },
        'an idle connection to the database was lost',
      );
    });
  }

  query<Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> {
    return this.#withConnection((queries) => queries.query<Row>(sql, params));
  }

  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return this.#withConnection((queries) => inTransaction(queries, 'BEGIN', () => work(queries)));
  }

  async session<T>(work: (queries: Queries) => Promise<T>, limitMs?: number): Promise<T> {
    const connection = await this.#connect(limitMs ?? NO_LIMIT_MS);
    try {
      await connection.query(`SET statement_timeout = ${limitMs ?? 0}`);
      await connection.query('SET idle_in_transaction_session_timeout = 0');
      return await work(connection);
    } finally {
      connection.destroy();
    }
  }

  async *stream<Row>(sql: string, params: readonly unknown[] = []): AsyncGenerator<Row, void, undefined> {
    const connection = await this.#connect();
    const patient = connection.withLimit(STREAM_TIMEOUT_MS + NETWORK_GRACE_MS);
    const cursor = `pixl_rows_${randomUUID().replaceAll('-', '')}`;
    try {
      // WITH HOLD: the rows are set aside at once, and a reader that takes its time keeps no transaction open. On the
      // embedded database, whose one backend all share, everybody else would wait for its end.
      await inTransaction(patient, 'BEGIN', async () => {
        await patient.query(`SET LOCAL statement_timeout = ${STREAM_TIMEOUT_MS}`);
        await patient.query(`DECLARE ${cursor} NO SCROLL CURSOR WITH HOLD FOR ${sql}`, params);
      });
      for (;;) {
        const { rows } = await connection.query<Row>(`FETCH ${FETCH_SIZE} FROM ${cursor}`);
        yield* rows;
        if (rows.length < FETCH_SIZE) break;
      }
    } finally {
      await connection.query(`CLOSE ${cursor}`).then(
        () => connection.release(),
        () => connection.destroy(),
      );
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#pool.end();
    return this.#closed;
  }

  async #withConnection<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const connection = await this.#connect();
    try {
      const result = await work(connection);
      connection.release();
      return result;
    } catch (error) {
      if (breaksConnection(toDatabaseError(error))) connection.destroy();
      else connection.release();
      throw error;
    }
  }

  async #connect(timeoutMs?: number): Promise<Connection> {
    try {
      return new Connection(await this.#pool.connect(), timeoutMs);
    } catch (error) {
      throw toDatabaseError(error);
    }
  }
}

/**
 * The driver leaves the socket open when it gives up on the server's login itself, and the pool listens only to a connection
 * that is idle: when the server ends one in the moment in which it is made or handed out, nobody does.
 */
class SafeClient extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    // Whoever uses the connection is told by the next statement; without any listener Node would end the process.
    this.on('error', () => undefined);
  }

  override connect(): Promise<Client>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<Client> | undefined {
    const connecting = super.connect().catch(async (error: unknown) => {
      await this.end();
      throw error;
    });
    if (callback === undefined) return connecting;
    const done = callback as (error?: unknown) => void;
    connecting.then(() => done(), done);
    return undefined;
  }
}

/** One of the pool's connections in our hands, given back or destroyed once. */
class Connection implements Queries {
  readonly #client: PoolClient;
  readonly #timeoutMs: number | undefined;
  #isGivenBack = false;

  constructor(client: PoolClient, timeoutMs: number | undefined) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  async query<Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> {
    const limit = this.#timeoutMs === undefined ? {} : { query_timeout: this.#timeoutMs };
    try {
      const { rows, rowCount } = await this.#client.query({ text: sql, values: [...params], ...limit });
      return { rows: rows as Row[], rowCount: rowCount ?? 0 };
    } catch (error) {
      throw toDatabaseError(error);
    }
  }

  /** The same connection, for statements that may take so long. */
  withLimit(timeoutMs: number): Queries {
    return new Connection(this.#client, timeoutMs);
  }

  release(): void {
    this.#giveBack(false);
  }

  destroy(): void {
    this.#giveBack(true);
  }

  #giveBack(destroy: boolean): void {
    if (this.#isGivenBack) return;
    this.#isGivenBack = true;
    this.#client.release(destroy);
  }
}

async function inTransaction<T>(queries: Queries, begin: string, work: () => Promise<T>): Promise<T> {
  await queries.query(begin);
  try {
    const result = await work();
    await queries.query('COMMIT');
    return result;
  } catch (error) {
    await queries.query('ROLLBACK').catch(() => undefined); // on a lost connection there is nothing to take back
    throw error;
  }
}

/** libpq's `verify-full`: the chain, and the name or the address that we connect to. */
function tlsOptions(tls: DatabaseTls, host: string): ConnectionOptions {
  const { servername, ...pem } = tls;
  return {
    ...pem,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    checkServerIdentity: (_name, certificate) => checkServerIdentity(servername ?? host, certificate),
  };
}

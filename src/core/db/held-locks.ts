import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Queries } from './database.js';
import { DatabaseUnavailableError } from './errors.js';

const STATEMENT_LIMIT_MS = 30_000;
/** A process that was killed leaves its locks as soon as the server sees its connection end. */
const TRIES = 10;
const BETWEEN_TRIES_MS = 200;
/** Of a host that went away without a word the server learns so, instead of after two hours. */
const KEEPALIVE = ['tcp_keepalives_idle = 30', 'tcp_keepalives_interval = 10', 'tcp_keepalives_count = 3'];

/** What is to be locked: one lock for each name, each shared with others who share it, or held alone. */
export interface LockName {
  readonly name: string;
  readonly isShared: boolean;
}

/**
 * Locks that the database holds for us as long as a session of ours lives: the end of the process, however it ends, is
 * the end of the locks.
 */
export class HeldLocks {
  readonly #database: Database;
  readonly #names: readonly LockName[];
  #session: Session | null = null;

  constructor(database: Database, names: readonly LockName[]) {
    this.#database = database;
    this.#names = names;
  }

  /**
   * Takes the locks; takes them again when the session was lost since, as by a restart of the database.
   *
   * @returns null, or the first name that somebody else holds; then none is held
   * @throws DatabaseUnavailableError, DatabaseError
   */
  async hold(): Promise<LockName | null> {
    if (this.#session !== null && (await isAlive(this.#session.queries))) return null;
    await this.release();
    for (let tries = 1; ; tries += 1) {
      const session = await openSession(this.#database);
      const taken = await firstTaken(session.queries, this.#names).catch(async (error: unknown) => {
        await session.end();
        throw error;
      });
      if (taken === null) {
        this.#session = session;
        return null;
      }
      await session.end();
      if (tries === TRIES) return taken;
      await sleep(BETWEEN_TRIES_MS);
    }
  }

  async release(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.end();
  }
}

interface Session {
  readonly queries: Queries;
  readonly end: () => Promise<void>;
}

/** A session that lives until it is ended. */
function openSession(database: Database): Promise<Session> {
  return new Promise((resolve, reject) => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((done) => (finish = done));
    const whole = database.session((queries) => {
      const end = async (): Promise<void> => {
        finish();
        await whole;
      };
      resolve({ queries, end });
      return finished;
    }, STATEMENT_LIMIT_MS);
    whole.catch(reject);
  });
}

async function isAlive(queries: Queries): Promise<boolean> {
  try {
    await queries.query('SELECT 1');
    return true;
  } catch (error) {
    if (error instanceof DatabaseUnavailableError) return false;
    throw error;
  }
}

async function firstTaken(queries: Queries, names: readonly LockName[]): Promise<LockName | null> {
  for (const setting of KEEPALIVE) await queries.query(`SET ${setting}`);
  for (const lock of names) {
    const take = lock.isShared ? 'pg_try_advisory_lock_shared' : 'pg_try_advisory_lock';
    const { rows } = await queries.query<{ taken: boolean }>(
      `SELECT ${take}(hashtextextended($1, 0)) AS taken`,
      [`pixl-imaging ${lock.name}`],
    );
    if (rows[0]?.taken !== true) return lock;
  }
  return null;
}

import { expect } from 'chai';
import { DatabaseError, DatabaseUnavailableError, type Database } from '../../../src/core/db/index.js';
import { InternalError } from '../../../src/core/errors.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/ports.js';
import { sharedPostgres, startPostgres, type Postgres } from '../../support/postgres.js';
import { BAD_CERTIFICATES, HERE, useAuthorities, type Identity } from '../../support/authority.js';
import { postgresSslRequest, tlsInFrontOf } from '../../support/tls-front.js';
import { failureOf, withDatabase, withDatabaseAt } from './fixture.js';

describe('The database client', function () {
  before(sharedPostgres);

  it('passes parameters apart from the statement, and gives rows', async () => {
    await withDatabase(async (database) => {
      const odd = `'; DROP TABLE x; -- "$1" \\`;
      const result = await database.query<{ given: string }>('SELECT $1::text AS given', [odd]);
      expect(result).to.deep.equal({ rows: [{ given: odd }], rowCount: 1 });
    });
  });

  it('streams rows that take longer to be set aside than a statement may', async () => {
    await withDatabase(
      async (database) => {
        const sleeping = 'SELECT 1 AS n FROM pg_sleep(0.5)';
        expect((await failureOf(database.query(sleeping))).message).to.contain('57014');
        const rows: unknown[] = [];
        for await (const row of database.stream(sleeping)) rows.push(row);
        expect(rows).to.deep.equal([{ n: 1 }]);
        expect((await failureOf(database.query(sleeping))).message, 'afterwards').to.contain('57014');
      },
      { statementTimeoutMs: 100, maxConnections: 1 },
    );
  });

  it('takes a transaction back when the work in it fails', async () => {
    await withDatabase(async (database) => {
      await database.query('CREATE TABLE t (n integer)');
      const failure = new Error('mine');
      const thrown = await failureOf(
        database.transaction(async (queries) => {
          await queries.query('INSERT INTO t VALUES (1)');
          throw failure;
        }),
      );
      expect(thrown).to.equal(failure);
      await database.transaction((queries) => queries.query('INSERT INTO t VALUES (2)'));
      expect((await database.query('SELECT n FROM t')).rows).to.deep.equal([{ n: 2 }]);
    });
  });

  it('opens no more connections than it may, and gives each back', async () => {
    await withDatabase(
      async (database) => {
        const counted = await Promise.all(
          Array.from({ length: 20 }, () =>
            database.query<{ n: number }>(
              "SELECT count(*)::integer AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pixl-imaging'",
            ),
          ),
        );
        expect(Math.max(...counted.map(({ rows }) => rows[0]?.n ?? 0))).to.be.at.most(3);
        await failureOf(database.query('SELECT broken'));
        for await (const row of database.stream('SELECT generate_series(1, 2000)'))
          if (Object.keys(row).length > 0) break;
        await Promise.all(Array.from({ length: 5 }, () => database.query('SELECT 1')));
      },
      { maxConnections: 3, connectTimeoutMs: 5000 },
    );
  });

  it('says that no connection was free in time', async () => {
    await withDatabase(
      async (database) => {
        const busy = database.query('SELECT pg_sleep(1)');
        expect(await failureOf(database.query('SELECT 1'))).to.be.instanceOf(DatabaseUnavailableError);
        await busy;
      },
      { maxConnections: 1, connectTimeoutMs: 200 },
    );
  });

  it('cuts a statement that takes too long, but none in a session', async () => {
    await withDatabase(
      async (database) => {
        const failure = await failureOf(database.query('SELECT pg_sleep(5)'));
        expect([failure.name, failure.message]).to.deep.equal([
          'DatabaseError',
          'database: the statement took too long (SQLSTATE 57014)',
        ]);
        await database.session((queries) => queries.query('SELECT pg_sleep(0.6)'));
      },
      { statementTimeoutMs: 300 },
    );
  });

  it('streams the rows of one moment, whatever is written meanwhile', async () => {
    await withDatabase(async (database) => {
      await database.query('CREATE TABLE t AS SELECT generate_series(1, 1200) AS n');
      const seen: number[] = [];
      for await (const { n } of database.stream<{ n: number }>(
        'SELECT n FROM t WHERE n > $1 ORDER BY n',
        [200],
      )) {
        if (seen.length === 0) await database.query('DELETE FROM t');
        seen.push(n);
      }
      expect(seen).to.deep.equal(Array.from({ length: 1000 }, (_, place) => place + 201));
    });
  });

  it('tells a server that is not there from one that says no, and shows no password', async () => {
    const address = await (await sharedPostgres()).createDatabase();
    const failing = (change: object): Promise<Error> =>
      withDatabaseAt({ ...address, ...change }, (database) => failureOf(database.query('SELECT 1')));
    const away = await failing({ port: await freePort() });
    expect([away.name, away.message]).to.deep.equal(['DatabaseUnavailableError', 'database: ECONNREFUSED']);
    const wrong = await failing({ password: 'not-the-password' });
    expect([wrong.name, wrong.message]).to.deep.equal([
      'DatabaseError',
      'database: wrong password (SQLSTATE 28P01)',
    ]);
    expect((await failing({ password: null })).message).to.equal('database: no password, or a wrong one');
    expect((await failing({ name: 'nowhere' })).message).to.contain('SQLSTATE 3D000');
  });

  it('shows neither statement nor value of what failed', async () => {
    await withDatabase(async (database) => {
      await database.query('CREATE TABLE t (n integer PRIMARY KEY)');
      for (const [sql, params] of [
        ['SELECT $1::text::integer', ['SECRET']],
        ["SELECT 'SECRET' FROM nowhere", []],
        ["SELECT 'SECRET", []],
      ] as const) {
        const failure = await failureOf(database.query(sql, params));
        expect(failure).to.be.instanceOf(DatabaseError);
        expect(failure.message).not.to.contain('SECRET');
      }
    });
  });

  it('says so when it was closed, and closes twice', async () => {
    let kept: Database | undefined;
    await withDatabase(async (database) => {
      kept = database;
      await database.query('SELECT 1');
      await Promise.all([database.close(), database.close()]);
    });
    expect(await failureOf(kept!.query('SELECT 1'))).to.be.instanceOf(InternalError);
  });
});

describe('The database client, when the server goes', function () {
  let postgres: Postgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  for (const how of ['shutDown', 'kill'] as const)
    it(`says so of what it was doing, and works again when it is back (${how})`, async () => {
      const address = await postgres.createDatabase();
      await withDatabaseAt(address, async (database) => {
        await database.query('CREATE TABLE t (n integer)');
        const asleep = failureOf(database.query('SELECT pg_sleep(30)'));
        const inTransaction = failureOf(
          database.transaction(async (queries) => {
            await queries.query('INSERT INTO t VALUES (1)');
            await postgres[how]();
            await queries.query('SELECT 1');
          }),
        );
        expect(await asleep).to.be.instanceOf(DatabaseUnavailableError);
        expect(await inTransaction).to.be.instanceOf(DatabaseUnavailableError);
        expect(await failureOf(database.query('SELECT 1'))).to.be.instanceOf(DatabaseUnavailableError);
        await postgres.start();
        const { rows } = await eventually(() =>
          database.query<{ n: string }>('SELECT count(*)::text AS n FROM t'),
        );
        expect(rows).to.deep.equal([{ n: '0' }]);
      });
    });
});

describe('The database client, by TLS', function () {
  const authorities = useAuthorities();
  let postgres: Postgres;
  let certificate: Buffer;

  before(async () => {
    const { authority } = authorities();
    certificate = authority.cert;
    postgres = await startPostgres({ tls: await authority.sign('server', 'DNS:localhost') });
  });
  after(() => postgres.stop());

  it('verifies chain and name', async () => {
    const address = { ...(await postgres.createDatabase()), host: 'localhost' };
    const rows = await withDatabaseAt(
      address,
      async (database) =>
        (await database.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).rows,
      { tls: { ca: certificate } },
    );
    expect(rows).to.deep.equal([{ ssl: true }]);
  });

  it('refuses a certificate for another name, addresses included, unless the name was given', async () => {
    const address = await postgres.createDatabase();
    const failure = await withDatabaseAt(address, (database) => failureOf(database.query('SELECT 1')), {
      tls: { ca: certificate },
    });
    expect(failure.message).to.contain('ERR_TLS_CERT_ALTNAME_INVALID');
    const tls = { ca: certificate, servername: 'localhost' };
    await withDatabaseAt(address, (database) => database.query('SELECT 1'), { tls });
  });

  it('does not fall back to plain TCP', async () => {
    const address = await (await sharedPostgres()).createDatabase();
    const failure = await withDatabaseAt(address, (database) => failureOf(database.query('SELECT 1')), {
      tls: { ca: certificate },
    });
    expect(failure.message).to.equal('database: the server speaks no TLS');
  });
});

describe('The database client, before a certificate of an authority', function () {
  const authorities = useAuthorities();
  before(sharedPostgres);

  it('connects when it is trusted, for the host, and in time', async () => {
    const { authority } = authorities();
    const failure = await connectedThrough(await authority.sign('good', HERE), authority.cert);
    expect(failure).to.equal(null);
  });

  for (const { what, code, make } of BAD_CERTIFICATES)
    it(`refuses one that is ${what}, and says so`, async () => {
      const failure = await connectedThrough(await make(authorities()), authorities().authority.cert);
      expect(failure).to.include({
        ...{ name: 'DatabaseError', code: 'DATABASE_ERROR', retry: 'never' },
        message: `database: no TLS with the server: ${code}`,
      });
    });
});

/** Asks a real server through one that shows this certificate. @returns what it failed with */
async function connectedThrough(shown: Identity, ca: Buffer): Promise<Error | null> {
  const address = await (await sharedPostgres()).createDatabase();
  const front = await tlsInFrontOf(address.port, shown, { before: postgresSslRequest });
  try {
    return await withDatabaseAt(
      { ...address, port: front.port },
      (database) =>
        database.query('SELECT 1').then(
          () => null,
          (error: unknown) => error as Error,
        ),
      { tls: { ca } },
    );
  } finally {
    front.close();
  }
}

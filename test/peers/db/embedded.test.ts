import { expect } from 'chai';
import { Random } from '../../fuzz/random.js';
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  addImages,
  DatabaseUnavailableError,
  EmbeddedDatabaseError,
  EmbeddedFolderInUseError,
  findOrCreateExtract,
  isEmbeddedServed,
  Ledger,
  migrateDown,
  migrateUp,
  openDatabase,
  startEmbeddedServer,
} from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { makeEmbeddedFolder, startProgram, withEmbeddedDatabase } from '../../support/embedded.js';
import { residentMemory } from '../../support/daemon.js';
import { eventually } from '../../support/eventually.js';
import { deliveredEntry, messageNumbered } from '../../support/outcome-entries.js';
import { withTempDir } from '../../support/temp-dir.js';
import { failureOf } from './fixture.js';

describe('The embedded database', function () {
  it('takes the same migrations, up, at the same time, and down, and the same statements', async () => {
    await withEmbeddedDatabase(async (database) => {
      const results = await Promise.all([1, 2, 3].map(() => migrateUp(database, silentLogger)));
      expect(results.filter(({ changed }) => changed.length > 0)).to.have.length(1);
      const extract = await findOrCreateExtract(database, 'p');
      const study = {
        accessionNumber: 'A',
        mrn: 'M',
        studyDate: '2023-01-01',
        studyUid: '1.2.3',
        pseudoPatientId: null,
      };
      expect((await addImages(database, extract, [study, study])).added).to.equal(1);
      const ledger = new Ledger(database);
      await ledger.record(deliveredEntry(messageNumbered(1)));
      const rows: string[] = [];
      for await (const { outcome } of ledger.list()) rows.push(outcome);
      expect(rows).to.deep.equal(['delivered']);
      expect((await migrateDown(database, silentLogger)).pending).to.deep.equal(results[0]?.applied);
    });
  });

  it('lets no statement of others into a transaction', async () => {
    await withEmbeddedDatabase(async (database) => {
      await database.query('CREATE TABLE t (n integer)');
      const transactions = Array.from({ length: 30 }, (_, n) =>
        database
          .transaction(async (queries) => {
            await queries.query('INSERT INTO t VALUES ($1)', [n]);
            await new Promise((resolve) => setImmediate(resolve));
            if (n % 2 === 1) throw new Error('taken back');
            await queries.query('INSERT INTO t VALUES ($1)', [n]);
          })
          .catch(() => undefined),
      );
      const singles = Array.from({ length: 30 }, () => database.query('INSERT INTO t VALUES (100)'));
      await Promise.all([...transactions, ...singles]);
      const { rows } = await database.query<{ n: number; times: number }>(
        'SELECT n, count(*)::integer AS times FROM t GROUP BY n ORDER BY n',
      );
      const kept = Array.from({ length: 15 }, (_, n) => ({ n: 2 * n, times: 2 }));
      expect(rows).to.deep.equal([...kept, { n: 100, times: 30 }]);
    });
  });

  it('takes back the transaction of a client that goes away in it, and serves the others', async () => {
    await withEmbeddedDatabase(async (database, server) => {
      await database.query('CREATE TABLE t (n integer)');
      const other = openDatabase(server.settings, { log: silentLogger });
      const gone = failureOf(
        other.session(async (queries) => {
          await queries.query('BEGIN');
          await queries.query('INSERT INTO t VALUES (1)');
          await failureOf(queries.query('SELECT broken'));
          throw new Error('gone'); // a session's connection is destroyed
        }),
      );
      await database.query('INSERT INTO t VALUES (2)');
      await gone;
      await other.close();
      expect((await database.query('SELECT n FROM t')).rows).to.deep.equal([{ n: 2 }]);
    });
  });

  it('lets a reader of a stream take its time, and keeps nobody waiting meanwhile', async () => {
    await withEmbeddedDatabase(async (database) => {
      await database.query('CREATE TABLE t AS SELECT generate_series(1, 1200) AS n');
      let seen = 0;
      for await (const row of database.stream('SELECT n FROM t')) {
        if (seen === 0) await database.query('DELETE FROM t');
        if (Object.keys(row).length === 1) seen += 1;
      }
      expect(seen).to.equal(1200);
      expect((await database.query('SELECT name FROM pg_cursors')).rows).to.deep.equal([]);
    });
  });

  it('outlives clients that speak nonsense', async () => {
    await withEmbeddedDatabase(async (database, { settings }) => {
      const path = join(settings.host, '.s.PGSQL.5432');
      for (const bytes of [
        [0, 0, 0, 0],
        [0, 0, 0, 8, 9, 9, 9, 9],
        [0xff, 0xff, 0xff, 0xff, 0],
      ])
        await new Promise<void>((resolve) => {
          connect(path)
            .on('error', () => undefined)
            .once('close', () => resolve())
            .resume()
            .end(Buffer.from(bytes));
        });
      expect((await database.query('SELECT 1 AS one')).rows).to.deep.equal([{ one: 1 }]);
    });
  });

  it('is one process’: a second one is refused, and may have it when the first has ended', async () => {
    await withEmbeddedDatabase(async (_database, server, folder) => {
      const second = { folder, log: silentLogger };
      expect(await failureOf(startEmbeddedServer(second))).to.be.instanceOf(EmbeddedFolderInUseError);
      expect(await isEmbeddedServed(folder)).to.equal(true);
      const waiting = startEmbeddedServer({ ...second, waitMs: 20_000 });
      await server.close();
      expect(await isEmbeddedServed(folder)).to.equal(false);
      await (await waiting).close();
    });
  });

  it('of two that come at the same time at most one gets in', async () => {
    await withTempDir(async (folder) => {
      await makeEmbeddedFolder(folder);
      const starts = await Promise.allSettled(
        Array.from({ length: 6 }, () => startEmbeddedServer({ folder, log: silentLogger })),
      );
      const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
      expect(servers.length).to.be.at.most(1);
      for (const server of servers) await server.close();
      expect(readdirSync(folder), 'no lock is left').to.deep.equal(['db']);
    });
  });

  it('says what is wrong with a folder that it can’t use', async () => {
    await withTempDir(async (folder) => {
      const start = (path: string): Promise<Error> =>
        failureOf(startEmbeddedServer({ folder: path, log: silentLogger }));
      writeFileSync(join(folder, 'file'), '');
      const problems = [await start(join(folder, 'file', 'x')), await start(join(folder, 'x'.repeat(100)))];
      for (const problem of problems) expect(problem).to.be.instanceOf(EmbeddedDatabaseError);
      expect(problems[0]?.message).to.contain('ENOTDIR');
      expect(problems[1]?.message).to.contain('longer than');
    });
  });

  it('is started again when its engine breaks off, and has all that was committed', async () => {
    await withEmbeddedDatabase(async (database, _server, folder) => {
      await database.query('CREATE TABLE t (n integer)');
      await database.query('INSERT INTO t VALUES (1)');
      // A disk that refuses the write-ahead log is what PostgreSQL panics about.
      const log = join(folder, 'db', 'pg_wal');
      renameSync(log, `${log}.away`);
      const failure = await failureOf(
        database.query(
          "SELECT pg_switch_wal() FROM t WHERE pg_logical_emit_message(true, '', 'x') IS NOT NULL",
        ),
      );
      renameSync(`${log}.away`, log);
      expect(failure).to.be.instanceOf(DatabaseUnavailableError);
      const { rows } = await eventually(() => database.query('SELECT n FROM t'));
      expect(rows).to.deep.equal([{ n: 1 }]);
    });
  });

  it('keeps every committed transaction, whole, over kill -9 at random points', async function () {
    const SEED = 20_231_207;
    const random = new Random(SEED);
    await withTempDir(async (folder) => {
      await makeEmbeddedFolder(folder);
      const safe: string[] = [];
      for (let round = 0; round < 8; round += 1) {
        const writer = await startProgram('embedded-writer-main', { folder, round });
        const committed = (): string[] => writer.log().split('\n').slice(0, -1);
        // A quarter of them while it opens, which is recovering from the last kill.
        const pairs = round % 4 === 3 ? 0 : random.between(1, 60);
        if (pairs === 0) await sleep(random.between(50, 900));
        else
          await eventually(() => expect(committed().length, `seed ${SEED}`).to.be.above(pairs), {
            everyMs: 2,
          });
        await writer.kill();
        safe.push(...committed().filter((line) => line !== 'open'));
      }
      const server = await startEmbeddedServer({ folder, log: silentLogger });
      const database = openDatabase(server.settings, { log: silentLogger });
      const { rows } = await database.query<{ name: string; halves: number }>(
        "SELECT round || '/' || pair AS name, count(*)::integer AS halves FROM pair GROUP BY 1",
      );
      await database.close();
      await server.close();
      expect(safe.length).to.be.above(5);
      expect(rows.map(({ name }) => name)).to.include.members(safe);
      expect(rows.filter(({ halves }) => halves !== 2)).to.deep.equal([]);
    });
  });

  it('takes less than 400 MiB of memory at any moment, in the process of whoever works with it', async () => {
    await withTempDir(async (folder) => {
      await makeEmbeddedFolder(folder);
      const writer = await startProgram('embedded-writer-main', { folder, round: 1 });
      try {
        // V8 has found by then what runs often, and made of it whatever it makes.
        await eventually(() => expect(writer.log().split('\n')).to.have.length.above(1_000));
        expect(residentMemory(writer.pid).peak, 'MiB').to.be.lessThan(400);
      } finally {
        await writer.kill();
      }
    });
  });
});

import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DatabaseUnavailableError,
  Ledger,
  migrateUp,
  openDatabase,
  recordWithRetry,
  untilDatabase,
  type Database,
} from '../../../src/core/db/index.js';
import { CancelledError } from '../../../src/core/errors.js';
import { silentLogger } from '../../../src/core/log.js';
import { deliveredEntry, messageNumbered } from '../../support/outcome-entries.js';
import { startPostgres, type Postgres } from '../../support/postgres.js';
import { failureOf, withDatabaseAt } from './fixture.js';

const POLICY = { firstMs: 20, maxMs: 200 };
const never = new AbortController().signal;

describe('Outcomes, when the database goes', function () {
  let postgres: Postgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  it('are there once when the answer to the write was lost, or the process died before the ack', async () => {
    const address = await postgres.createDatabase();
    const entry = deliveredEntry(messageNumbered(1));
    // The write takes effect and its answer never comes: the row is there, and nobody knows it.
    await withDatabaseAt(address, async (database) => {
      await migrateUp(database, silentLogger);
      let writes = 0;
      const deaf: Database = {
        transaction: (work) => database.transaction(work),
        session: (work) => database.session(work),
        stream: (sql, params) => database.stream(sql, params),
        close: () => database.close(),
        query: async (sql, params) => {
          const result = await database.query<never>(sql, params);
          writes += 1;
          if (writes === 1) throw new DatabaseUnavailableError('connection lost');
          return result;
        },
      };
      await recordWithRetry(new Ledger(deaf), POLICY, silentLogger).record(entry, never);
      expect(writes).to.equal(2);
      expect(await new Ledger(database).totals()).to.deep.include({ delivered: 1 });
    });
    // The same message is delivered again, to a process that finds everything in raw.
    await withDatabaseAt(address, async (database) => {
      const ledger = new Ledger(database);
      await recordWithRetry(ledger, POLICY, silentLogger).record(
        { ...entry, finishedAt: '2024-05-01T10:01:00.000Z' },
        never,
      );
      expect(await ledger.totals()).to.deep.include({ delivered: 1 });
    });
  });

  it('wait for a table that is not there, and for one that is locked', async () => {
    const address = await postgres.createDatabase();
    await withDatabaseAt(
      address,
      async (database) => {
        const ledger = new Ledger(database);
        const recorder = recordWithRetry(ledger, POLICY, silentLogger);
        const beforeTheSchema = recorder.record(deliveredEntry(messageNumbered(1)), never);
        await sleep(100);
        await migrateUp(database, silentLogger);
        await beforeTheSchema;
        await database.transaction(async (queries) => {
          await queries.query('LOCK TABLE pixl_pipeline.transfer');
          const whileLocked = recorder.record(deliveredEntry(messageNumbered(2)), never);
          await sleep(600);
          await queries.query('COMMIT');
          await queries.query('BEGIN');
          await whileLocked;
        });
        expect(await ledger.totals()).to.deep.include({ delivered: 2 });
      },
      { statementTimeoutMs: 250 },
    );
  });

  it('are waited for until the signal says otherwise', async () => {
    const address = await postgres.createDatabase();
    await withDatabaseAt(address, async (database) => {
      const controller = new AbortController();
      const recorder = recordWithRetry(
        new Ledger(database),
        { firstMs: 10_000, maxMs: 10_000 },
        silentLogger,
      );
      const recording = recorder.record(deliveredEntry(messageNumbered(1)), controller.signal);
      setTimeout(() => controller.abort(), 100);
      expect(await failureOf(recording)).to.be.instanceOf(CancelledError);
    });
  });

  it('let a daemon start before its database', async () => {
    const address = await postgres.createDatabase();
    await postgres.shutDown();
    const database = openDatabase({ ...address, tls: null }, { log: silentLogger });
    try {
      const options = { policy: POLICY, log: silentLogger, signal: never };
      const migrated = untilDatabase('migrate', () => migrateUp(database, silentLogger), options);
      await sleep(200);
      await postgres.start();
      expect((await migrated).pending).to.deep.equal([]);
    } finally {
      await database.close();
    }
  });
});

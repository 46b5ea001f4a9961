import { expect } from 'chai';
import { ENDINGS, Ledger, migrateUp, type Database, type Transfer } from '../../../src/core/db/index.js';
import { getSetting, removeSetting, setSetting } from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import type { SopInstanceUid, StudyInstanceUid } from '../../../src/core/ids.js';
import type { OutcomeEntry } from '../../../src/core/outcome.js';
import { heldMemory } from '../../support/held-memory.js';
import {
  deliveredEntry,
  excludedEntry,
  entryOf,
  incompleteEntry,
  messageNumbered,
  missingEntry,
  rejectedEntry,
  studyReport,
} from '../../support/outcome-entries.js';
import { sharedPostgres } from '../../support/postgres.js';
import { withDatabase, withDatabaseAt } from './fixture.js';

function withLedger(work: (ledger: Ledger, database: Database) => Promise<void>): Promise<void> {
  return withDatabase(async (database) => {
    await migrateUp(database, silentLogger);
    await work(new Ledger(database), database);
  });
}

async function rowsOf(ledger: Ledger): Promise<Transfer[]> {
  const rows: Transfer[] = [];
  for await (const row of ledger.list()) rows.push(row);
  return rows;
}

describe('The ledger', function () {
  before(sharedPostgres);

  it('keeps what peers said, whatever that is made of', async () => {
    await withLedger(async (ledger) => {
      const odd = 'a\0b\ud800c' as SopInstanceUid;
      const study = studyReport('1.2.3.8', 2, {
        studyInstanceUid: odd as unknown as StudyInstanceUid,
        missing: [odd],
        refused: [{ sopInstanceUid: odd, reason: odd }],
      });
      const kept = 'ab\ufffdc';
      const message = messageNumbered(8);
      await ledger.record(
        entryOf(message, {
          ...{ kind: 'incomplete', archive: 'primary', archiveAnswer: 'ok', studies: [study] },
          ...{ code: 'INSTANCES_MISSING', reason: odd },
        }),
      );
      const [row] = await rowsOf(ledger);
      expect(row).to.deep.include({
        reason: kept,
        foundStudyUids: [kept],
        missingUids: [kept],
        refused: [{ sopInstanceUid: kept, reason: kept }],
      });
    });
  });

  it('keeps all that is known of a message', async () => {
    await withLedger(async (ledger) => {
      await ledger.record(incompleteEntry(messageNumbered(7, { series_uid: '1.2.3.7.1\\1.2.3.7.2' })));
      expect(await rowsOf(ledger)).to.deep.equal([
        {
          projectName: 'Test project',
          mrn: 'CANARYM7',
          accessionNumber: 'CANARYA7',
          studyUid: '1.2.3.7',
          seriesUid: '1.2.3.7.1\\1.2.3.7.2',
          studyDate: '2023-01-31',
          procedureOccurrenceId: 7,
          extractGeneratedTimestamp: '2023-12-07T14:08:58.123456+00:00',
          queue: 'imaging-primary',
          archive: 'secondary',
          outcome: 'incomplete',
          code: 'INSTANCES_MISSING',
          reason: '1 instances that the archive lists did not come to the raw store',
          foundStudyUids: ['1.2.3.7'],
          images: { expected: 3, alreadyInRaw: 1, retrieved: 1, delivered: 0 },
          missingUids: ['1.2.3.9.1'],
          refused: [{ sopInstanceUid: '1.2.3.9.2', reason: '0xC000 "odd", it says' }],
          excluded: [],
          remarks: [],
          warnings: 2,
          bytesDelivered: 3000,
          attempts: 1,
          receivedAt: '2024-05-01T10:00:00.000Z',
          finishedAt: '2024-05-01T10:00:05.000Z',
          durationMs: 5000,
        },
      ]);
    });
  });

  it('keeps which instances a rule left out, and replaces them with those of the last ending', async () => {
    await withLedger(async (ledger, database) => {
      const message = messageNumbered(1);
      await ledger.record(excludedEntry(message));
      const [row] = await rowsOf(ledger);
      expect(row).to.deep.include({
        outcome: 'excluded',
        code: null,
        remarks: ['listed_fewer_than_counted'],
      });
      expect(row!.excluded).to.deep.equal([
        { sopInstanceUid: '1.2.3.9.1', rule: 'burned-in annotation' },
        { sopInstanceUid: '1.2.3.9.2', rule: 'modality SR' },
        { sopInstanceUid: '1.2.3.9.3', rule: 'modality SR' },
      ]);
      const counted = 'SELECT images_excluded AS images FROM pixl_pipeline.transfer';
      expect((await database.query(counted)).rows).to.deep.equal([{ images: 3 }]);
      await ledger.record(deliveredEntry(message, { finishedAt: '2024-05-02T00:00:00.000Z' }));
      expect((await rowsOf(ledger))[0]).to.deep.include({ outcome: 'delivered', excluded: [] });
    });
  });

  it('keeps large numbers and dates whatever the time zone and date style of the database', async () => {
    await withDatabase(async (maker, address) => {
      await migrateUp(maker, silentLogger);
      await maker.query(`ALTER DATABASE ${address.name} SET timezone = 'Pacific/Auckland'`);
      await maker.query(`ALTER DATABASE ${address.name} SET datestyle = 'SQL, DMY'`);
      const message = messageNumbered(1, {
        procedure_occurrence_id: Number.MAX_SAFE_INTEGER,
        study_date: '2024-02-29',
        extract_generated_timestamp: '0001-01-01T00:00:00',
      });
      const studies = [studyReport('1.2.3', 2, { bytesDelivered: 3e12 })];
      await withDatabaseAt(address, async (database) => {
        const ledger = new Ledger(database);
        await ledger.record(
          entryOf(message, { kind: 'delivered', archive: 'primary', archiveAnswer: 'ok', studies }),
        );
        expect((await rowsOf(ledger))[0]).to.deep.include({
          procedureOccurrenceId: Number.MAX_SAFE_INTEGER,
          studyDate: '2024-02-29',
          extractGeneratedTimestamp: message.extractGeneratedTimestamp.text,
          bytesDelivered: 3e12,
          receivedAt: '2024-05-01T10:00:00.000Z',
        });
      });
    });
  });

  it('has one row for a message, however often it comes, and the last ending in it', async () => {
    await withLedger(async (ledger) => {
      const message = messageNumbered(1);
      await ledger.record(missingEntry(message));
      await ledger.record(missingEntry(message));
      const again = { receivedAt: '2024-05-02T10:00:00.000Z', queue: 'imaging-secondary', attempt: 2 };
      await ledger.record(
        deliveredEntry(message, {
          delivery: { ...deliveredEntry(message).delivery, ...again },
          finishedAt: '2024-05-02T10:00:01.000Z',
        }),
      );
      const rows = await rowsOf(ledger);
      expect(rows).to.have.length(1);
      expect(rows[0]).to.deep.include({
        outcome: 'delivered',
        code: null,
        reason: null,
        queue: 'imaging-secondary',
        attempts: 2,
        receivedAt: '2024-05-01T10:00:00.000Z',
        finishedAt: '2024-05-02T10:00:01.000Z',
      });
    });
  });

  it('is not changed by an ending that is older than its own', async () => {
    await withLedger(async (ledger) => {
      const message = messageNumbered(1);
      await ledger.record(deliveredEntry(message, { finishedAt: '2024-05-02T00:00:00.000Z' }));
      await ledger.record(missingEntry(message));
      expect((await rowsOf(ledger)).map(({ outcome }) => outcome)).to.deep.equal(['delivered']);
    });
  });

  it('has one row when the same message is recorded by many at once', async () => {
    await withLedger(async (ledger) => {
      await Promise.all(Array.from({ length: 30 }, () => ledger.record(deliveredEntry(messageNumbered(1)))));
      expect(await rowsOf(ledger)).to.have.length(1);
    });
  });

  it('writes nothing of a message that goes on', async () => {
    await withLedger(async (ledger) => {
      const message = messageNumbered(1);
      await ledger.record(missingEntry(message, { ending: 'forward' }));
      await ledger.record(missingEntry(message, { ending: 'retry' }));
      expect(await rowsOf(ledger)).to.deep.equal([]);
    });
  });

  it('adds up the studies of a message', async () => {
    await withLedger(async (ledger) => {
      const studies = [
        studyReport('1.2.3.1', 3, { images: { expected: 3, alreadyInRaw: 2, retrieved: 1, delivered: 3 } }),
        studyReport('1.2.3.2', 4),
      ];
      await ledger.record(
        entryOf(messageNumbered(1), { kind: 'delivered', archive: 'primary', archiveAnswer: 'ok', studies }),
      );
      const [row] = await rowsOf(ledger);
      expect(row?.images).to.deep.equal({ expected: 7, alreadyInRaw: 2, retrieved: 5, delivered: 7 });
      expect(row?.foundStudyUids).to.deep.equal(['1.2.3.1', '1.2.3.2']);
    });
  });

  it('has each message in exactly one outcome, and totals that say the same as its rows', async () => {
    await withLedger(async (ledger) => {
      const all: OutcomeEntry[] = [
        ...[1, 2, 3].map((number) => deliveredEntry(messageNumbered(number))),
        ...[4, 5].map((number) => missingEntry(messageNumbered(number, { project_name: 'Other' }))),
        incompleteEntry(messageNumbered(6)),
        rejectedEntry('{"mrn": 1'),
        rejectedEntry('not JSON'),
        missingEntry(messageNumbered(1), { finishedAt: '2024-05-03T00:00:00.000Z' }),
      ];
      for (const entry of all) await ledger.record(entry);
      const totals = await ledger.totals();
      expect(totals).to.deep.equal({
        delivered: 2,
        retrieved: 0,
        excluded: 0,
        missing: 3,
        incomplete: 1,
        failed: 0,
        rejected: 2,
      });
      for (const outcome of ENDINGS) {
        let counted = 0;
        for await (const row of ledger.list({ outcomes: [outcome] }))
          counted += row.outcome === outcome ? 1 : 100;
        expect(counted, outcome).to.equal(totals[outcome]);
      }
      expect(await ledger.totals({ project: 'Other' })).to.deep.include({ missing: 2, delivered: 0 });
      const others: (string | null)[] = [];
      for await (const row of ledger.list({ project: 'Other', outcomes: ['missing'] })) others.push(row.mrn);
      expect(others).to.deep.equal(['CANARYM4', 'CANARYM5']);
    });
  });

  it('gives 50,000 rows as a stream, without holding them', async () => {
    await withLedger(async (ledger, database) => {
      await ledger.record(incompleteEntry(messageNumbered(1)));
      const columns = await database.query<{ name: string }>(
        "SELECT column_name::text AS name FROM information_schema.columns WHERE table_schema = 'pixl_pipeline' AND table_name = 'transfer' AND column_name NOT IN ('transfer_id', 'message_key', 'reason')",
      );
      const names = columns.rows.map(({ name }) => name).join(', ');
      // 2 kB each: 100 MB in all.
      await database.query(
        `INSERT INTO pixl_pipeline.transfer (message_key, reason, ${names})
         SELECT 'made-' || n, repeat(md5(n::text), 64), ${names} FROM pixl_pipeline.transfer, generate_series(1, 49999) n`,
      );
      let rows = 0;
      let peak = 0;
      const before = heldMemory().heap;
      for await (const row of ledger.list()) {
        rows += row.outcome === 'incomplete' ? 1 : 0;
        if (rows % 5000 === 0) peak = Math.max(peak, heldMemory().heap - before);
      }
      expect(rows).to.equal(50_000);
      expect(peak / 2 ** 20, 'MiB').to.be.below(16);
    });
  });
});

describe('A setting', function () {
  before(sharedPostgres);

  it('is there with its time after it was set, until it is removed', async () => {
    await withDatabase(async (database) => {
      await migrateUp(database, silentLogger);
      expect(await getSetting(database, 'rate.imaging-primary')).to.equal(undefined);
      for (const value of [2.5, 0, 'unlimited', null, { a: [1, 'x', null] }] as const) {
        const before = Date.now();
        await setSetting(database, 'rate.imaging-primary', value);
        const setting = await getSetting(database, 'rate.imaging-primary');
        expect(setting?.value).to.deep.equal(value);
        expect(Date.parse(setting?.changedAt ?? '')).to.be.within(before - 1000, Date.now() + 1000);
      }
      await setSetting(database, 'rate.imaging-secondary', 1);
      await removeSetting(database, 'rate.imaging-primary');
      expect(await getSetting(database, 'rate.imaging-primary')).to.equal(undefined);
      expect((await getSetting(database, 'rate.imaging-secondary'))?.value).to.equal(1);
    });
  });
});

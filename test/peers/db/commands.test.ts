import { expect } from 'chai';
import { ENDINGS, Ledger, migrateUp, type Database } from '../../../src/core/db/index.js';
import { parseImagingMessageFields } from '../../../src/core/message.js';
import { messageKey } from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { alembicStatements } from '../../support/alembic-database.js';
import {
  deliveredEntry,
  excludedEntry,
  incompleteEntry,
  messageNumbered,
  missingEntry,
  rejectedEntry,
} from '../../support/outcome-entries.js';
import { databaseEnv, sharedPostgres, type DatabaseAddress } from '../../support/postgres.js';
import { run } from '../../support/processes.js';
import { withTempDir } from '../../support/temp-dir.js';
import { execute, withDatabase, STEPS } from './fixture.js';
import { PROGRAM, runCli, type CliResult } from '../../support/cli.js';

/** Runs the built program in an empty folder, so that no `.env` is read. */
function pixl(address: DatabaseAddress | null, ...args: readonly string[]): Promise<CliResult> {
  return runCli(args, { env: address === null ? {} : { ...databaseEnv(address), LOG_LEVEL: 'info' } });
}

async function json(address: DatabaseAddress, ...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await pixl(address, ...args, '--json');
  expect([code, stderr]).to.deep.equal([0, '']);
  return JSON.parse(stdout);
}

describe('pixl-imaging migrate', function () {
  before(sharedPostgres);

  it('goes up, says so, and goes down', async () => {
    await withDatabase(async (_, address) => {
      const status = { changed: [], applied: [], pending: STEPS, cohort_tables: null };
      const ready = { changed: [], applied: STEPS, pending: [], cohort_tables: 'pixl-imaging' };
      expect(await json(address, 'migrate', 'status')).to.deep.equal({ action: 'status', ...status });
      expect(await json(address, 'migrate', 'up')).to.deep.equal({ action: 'up', ...ready, changed: STEPS });
      expect(await json(address, 'migrate')).to.deep.equal({ action: 'up', ...ready });
      expect(await json(address, 'migrate', 'status')).to.deep.equal({ action: 'status', ...ready });
      expect(await json(address, 'migrate', 'down')).to.deep.equal({
        action: 'down',
        ...status,
        changed: STEPS.toReversed(),
      });
    });
  });

  it('says in words what it did, and whose tables the cohort is in', async () => {
    await withDatabase(async (_, address) => {
      await execute(address, alembicStatements());
      const before = await pixl(address, 'migrate', 'status');
      expect([before.code, before.stdout]).to.deep.equal([
        0,
        `${STEPS.map((step) => `${step}: pending\n`).join('')}extract and image: made by PIXL, used as they are; ${STEPS.length} steps pending\n`,
      ]);
      const { stdout } = await pixl(address, 'migrate', 'up');
      expect(stdout).to.equal(
        `${STEPS.map((step) => `${step}: done\n`).join('')}extract and image: made by PIXL, used as they are; 0 steps pending\n`,
      );
    });
  });
});

describe('pixl-imaging report', function () {
  before(sharedPostgres);

  const filled = (work: (address: DatabaseAddress, database: Database) => Promise<void>): Promise<void> =>
    withDatabase(async (database, address) => {
      await migrateUp(database, silentLogger);
      const ledger = new Ledger(database);
      await ledger.record(deliveredEntry(messageNumbered(1)));
      await ledger.record(
        missingEntry(messageNumbered(2, { project_name: 'Other, "quoted"', study_uid: '' })),
      );
      await ledger.record(incompleteEntry(messageNumbered(3, { series_uid: '1.2.3.3.1\\1.2.3.3.2' })));
      await ledger.record(rejectedEntry('{'));
      await ledger.record(excludedEntry(messageNumbered(4)));
      await work(address, database);
    });

  it('gives JSON as the specification has it', async () => {
    await filled(async (address) => {
      const rows = (await json(address, 'report')) as Record<string, unknown>[];
      expect(rows.map((row) => row['outcome'])).to.deep.equal([
        'delivered',
        'missing',
        'incomplete',
        'rejected',
        'excluded',
      ]);
      expect(rows[0]).to.deep.include({
        project_name: 'Test project',
        mrn: 'CANARYM1',
        accession_number: 'CANARYA1',
        study_uid: '1.2.3.1',
        archive: 'primary',
        outcome: 'delivered',
        reason: null,
        images: { expected: 3, already_in_raw: 0, retrieved: 3, delivered: 3 },
        attempts: 1,
        received_at: '2024-05-01T10:00:00.000Z',
        finished_at: '2024-05-01T10:00:05.000Z',
      });
      expect(rows[1]).to.deep.include({ project_name: 'Other, "quoted"', study_uid: null });
      expect(rows[2]).to.deep.include({ missing_uids: ['1.2.3.9.1'] });
      expect(rows[3]).to.deep.include({ project_name: null, mrn: null, code: 'MESSAGE_REJECTED' });
      expect(rows[4]).to.deep.include({
        ...{ reason: null, code: null, excluded: { 'burned-in annotation': 1, 'modality SR': 2 } },
        ...{ remarks: ['listed_fewer_than_counted'], warnings: 0 },
      });
      expect((rows[4]!['excluded_instances'] as unknown[])[2]).to.deep.equal({
        sop_instance_uid: '1.2.3.9.3',
        rule: 'modality SR',
      });
    });
  });

  it('keeps to a project and an outcome', async () => {
    await filled(async (address) => {
      const mrns = async (...args: string[]): Promise<unknown[]> =>
        ((await json(address, 'report', ...args)) as { mrn: unknown }[]).map(({ mrn }) => mrn);
      expect(await mrns('--project', 'Test project')).to.deep.equal(['CANARYM1', 'CANARYM3', 'CANARYM4']);
      expect(await mrns('--outcome', 'missing')).to.deep.equal(['CANARYM2']);
      expect(await mrns('--outcome', 'missing', '--project', 'Test project')).to.deep.equal([]);
      expect(await mrns('--project', "x' OR '1'='1")).to.deep.equal([]);
      for (const outcome of ENDINGS) await mrns('--outcome', outcome);
      expect(await mrns('--outcome', ...ENDINGS)).to.deep.equal(await mrns());
    });
  });

  it('gives CSV that holds each message again as it was asked', async () => {
    await filled(async (address) => {
      const { code, stdout } = await pixl(address, 'report', '--csv');
      expect(code).to.equal(0);
      const read = await (await sharedPostgres()).readCsv(stdout);
      const kept = read.filter((row) => row['mrn'] !== null);
      const asked = [
        messageNumbered(1),
        messageNumbered(2, { project_name: 'Other, "quoted"', study_uid: '' }),
        messageNumbered(3, { series_uid: '1.2.3.3.1\\1.2.3.3.2' }),
        messageNumbered(4),
      ];
      const delivery = { body: Buffer.alloc(0) };
      const keys = kept.map(({ procedure_id, ...row }) => {
        const message = parseImagingMessageFields({
          ...row,
          study_uid: row['study_uid'] ?? '',
          procedure_occurrence_id: Number(procedure_id),
        });
        return messageKey({ message, delivery });
      });
      expect(keys).to.deep.equal(asked.map((message) => messageKey({ message, delivery })));
      expect(read.map((row) => row['outcome'])).to.deep.equal([
        'delivered',
        'missing',
        'incomplete',
        'rejected',
        'excluded',
      ]);
      expect(read[2]).to.deep.include({
        missing_uids: '1.2.3.9.1',
        refused_uids: '1.2.3.9.2',
        images_expected: '3',
      });
      expect(read[4]).to.deep.include({
        ...{ images_excluded: '3', excluded: '1 by burned-in annotation; 2 by modality SR' },
        ...{ excluded_uids: '1.2.3.9.1\\1.2.3.9.2\\1.2.3.9.3', remarks: 'listed_fewer_than_counted' },
      });
    });
  });

  it('gives a table with its totals', async () => {
    await filled(async (address) => {
      const { code, stdout } = await pixl(address, 'report');
      const lines = stdout.trimEnd().split('\n');
      expect(code).to.equal(0);
      expect(lines[0]).to.match(/^project +mrn +accession +outcome +archive +images +tries +seconds$/);
      expect(lines[1]).to.match(/^Test project +CANARYM1 +CANARYA1 +delivered +primary +3 of 3 +1 +5\.0$/);
      expect(lines.at(-1)).to.equal('1 delivered, 1 excluded, 1 missing, 1 incomplete, 1 rejected');
      for (const line of [
        '    2 images were taken with a warning',
        '    missing: 1.2.3.9.1',
        '    refused: 1.2.3.9.2: 0xC000 "odd", it says',
        '    the archive counts more images than it lists',
        '    excluded: 1 by burned-in annotation; 2 by modality SR',
        '    excluded: 1.2.3.9.1: burned-in annotation',
      ])
        expect(lines).to.include(line);
    });
  });

  it('gives a wide table with study UIDs, all counts and the reason on one line', async () => {
    await filled(async (address) => {
      const { stdout } = await pixl(address, 'report', '--wide');
      const lines = stdout.split('\n');
      expect(lines).to.have.length(9);
      expect(lines[0]).to.match(/^project +mrn +accession +outcome +archive +study uid +expected +in raw/);
      expect(lines[1]).to.match(
        /^Test project +CANARYM1 +CANARYA1 +delivered +primary +1\.2\.3\.1 +3 +0 +3 +3 +0 +0 +0 +1 +5\.0 +-$/,
      );
      expect((await pixl(address, 'report', '--wide', '--csv')).code).to.equal(2);
    });
  });

  it('fits 100 columns, and shows what a terminal would obey, whatever the ledger holds', async () => {
    await withDatabase(async (database, address) => {
      await migrateUp(database, silentLogger);
      const message = messageNumbered(1, {
        mrn: 'CANARYM'.repeat(9),
        project_name: 'p\u202e \u200b'.repeat(9),
      });
      await new Ledger(database).record(missingEntry(message));
      await database.query("UPDATE pixl_pipeline.transfer SET reason = repeat(U&'no \\001b[31m such ', 30)");
      const { code, stdout } = await pixl(address, 'report');
      expect(code).to.equal(0);
      for (const line of stdout.split('\n')) expect(line.length).to.be.at.most(100);
      expect(stdout).not.to.match(/(?!\n)[\p{Cc}\p{Cf}]/u);
      expect((await pixl(address, 'report', '--wide')).stdout).not.to.match(/(?!\n)[\p{Cc}\p{Cf}]/u);
    });
  });

  it('gives an empty result of a ledger without rows, and says when there is no ledger', async () => {
    await withDatabase(async (database, address) => {
      const none = await pixl(address, 'report');
      expect([none.code, none.stdout, none.stderr]).to.deep.equal([
        1,
        '',
        'error: database: a table is not there; `pixl-imaging migrate status` shows what is pending (SQLSTATE 42P01)\n',
      ]);
      await migrateUp(database, silentLogger);
      expect(await json(address, 'report')).to.deep.equal([]);
      expect((await pixl(address, 'report')).stdout.trimEnd().split('\n').at(-1)).to.equal('no messages');
    });
  });

  it('ends in peace when its reader has seen enough', async () => {
    await withDatabase(async (database, address) => {
      await migrateUp(database, silentLogger);
      await new Ledger(database).record(deliveredEntry(messageNumbered(1)));
      const columns = await database.query<{ name: string }>(
        "SELECT column_name::text AS name FROM information_schema.columns WHERE table_schema = 'pixl_pipeline' AND table_name = 'transfer' AND column_name NOT IN ('transfer_id', 'message_key')",
      );
      const names = columns.rows.map(({ name }) => name).join(', ');
      await database.query(
        `INSERT INTO pixl_pipeline.transfer (message_key, ${names}) SELECT 'made-' || n, ${names} FROM pixl_pipeline.transfer, generate_series(1, 5000) n`,
      );
      await withTempDir(async (cwd) => {
        const script = `"${process.execPath}" "${PROGRAM}" report --json | head -n 2; echo "\${PIPESTATUS[0]}"`;
        const { stdout, stderr } = await run('bash', ['-c', script], { cwd, env: databaseEnv(address) });
        expect([stdout.split('\n').at(-2), stderr]).to.deep.equal(['0', '']);
      });
    });
  });
});

import { expect } from 'chai';
import {
  addImages,
  findOrCreateExtract,
  Ledger,
  migrateDown,
  migrateUp,
  migrationStatus,
  openDatabase,
  SchemaMismatchError,
} from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { alembicStatements } from '../../support/alembic-database.js';
import { deliveredEntry, messageNumbered } from '../../support/outcome-entries.js';
import { sharedPostgres } from '../../support/postgres.js';
import { execute, failureOf, withDatabase, STEPS } from './fixture.js';

const PIXL_TABLES = [
  '-t',
  'pixl_pipeline.extract',
  '-t',
  'pixl_pipeline.image',
  '-t',
  'pixl_pipeline.alembic_version',
];
const ROWS = [
  "INSERT INTO pixl_pipeline.extract (slug) VALUES ('test-extract')",
  `INSERT INTO pixl_pipeline.image (accession_number, study_date, mrn, exported_at, extract_id, pseudo_study_uid)
   SELECT 'CANARYA' || n, '2023-01-01', 'CANARYM' || n, CASE WHEN n % 2 = 0 THEN '2024-01-01T00:00:00Z'::timestamptz END, 1, '2.25.' || n
   FROM generate_series(1, 20) n`,
];

describe('The migrations', function () {
  before(sharedPostgres);

  it('make the schema of an empty database, once, and take it back whole', async () => {
    const postgres = await sharedPostgres();
    await withDatabase(async (database, address) => {
      const empty = await postgres.dump(address);
      expect(await migrationStatus(database)).to.deep.equal({
        applied: [],
        pending: STEPS,
        cohortTables: null,
      });
      expect(await migrateUp(database, silentLogger)).to.deep.equal({
        changed: STEPS,
        applied: STEPS,
        pending: [],
        cohortTables: 'pixl-imaging',
      });
      const made = await postgres.dump(address, '--schema-only');
      expect((await migrateUp(database, silentLogger)).changed).to.deep.equal([]);
      expect(await postgres.dump(address, '--schema-only')).to.equal(made);

      expect((await migrateDown(database, silentLogger)).changed).to.deep.equal(STEPS.toReversed());
      expect(await postgres.dump(address)).to.equal(empty);
      expect((await migrateDown(database, silentLogger)).changed).to.deep.equal([]);
      await migrateUp(database, silentLogger);
      expect(await postgres.dump(address, '--schema-only')).to.equal(made);
    });
  });

  it('make the two tables of PIXL with the columns that alembic gives them', async () => {
    const columns = `SELECT table_name::text, column_name::text, data_type::text, is_nullable::text, character_maximum_length, column_default::text
      FROM information_schema.columns WHERE table_schema = 'pixl_pipeline' AND table_name IN ('extract', 'image') ORDER BY 1, 2`;
    const theirs = await withDatabase(async (database, address) => {
      await execute(address, alembicStatements());
      return (await database.query(columns)).rows;
    });
    await withDatabase(async (database) => {
      await migrateUp(database, silentLogger);
      expect((await database.query(columns)).rows).to.deep.equal(theirs);
      expect(theirs).to.have.length(11);
    });
  });

  it('leave a database that alembic made whole, going up, in use and going down', async () => {
    const postgres = await sharedPostgres();
    await withDatabase(async (database, address) => {
      await execute(address, [...alembicStatements(), ...ROWS]);
      const before = await postgres.dump(address);
      const tablesBefore = await postgres.dump(address, ...PIXL_TABLES);

      const result = await migrateUp(database, silentLogger);
      expect([result.cohortTables, result.applied]).to.deep.equal(['pixl', STEPS]);
      expect(await postgres.dump(address, ...PIXL_TABLES)).to.equal(tablesBefore);
      await new Ledger(database).record(deliveredEntry(messageNumbered(1)));
      expect(await findOrCreateExtract(database, 'test-extract')).to.equal(1);
      const known = {
        accessionNumber: 'CANARYA3',
        mrn: 'CANARYM3',
        studyDate: '2023-01-01',
        studyUid: '1.2.3.3',
        pseudoPatientId: null,
      };
      expect((await addImages(database, 1, [known])).added).to.equal(0);

      await migrateDown(database, silentLogger);
      expect(await postgres.dump(address)).to.equal(before);
    });
  });

  it('take columns that a later PIXL added for none of their business', async () => {
    const later = 'ALTER TABLE pixl_pipeline.image ADD COLUMN skip_reasons JSONB';
    await withDatabase(async (database, address) => {
      await execute(address, [...alembicStatements(), later]);
      expect((await migrateUp(database, silentLogger)).pending).to.deep.equal([]);
    });
  });

  it('refuse tables as an older PIXL left them, name what is absent, and change nothing', async () => {
    const postgres = await sharedPostgres();
    await withDatabase(async (database, address) => {
      await execute(address, alembicStatements('cb5ee12a6e20'));
      const before = await postgres.dump(address);
      const failure = await failureOf(migrateUp(database, silentLogger));
      expect(failure).to.be.instanceOf(SchemaMismatchError);
      expect(failure.message)
        .to.contain('study_uid, pseudo_patient_id')
        .and.to.contain('alembic upgrade head');
      expect(await postgres.dump(address)).to.equal(before);
    });
  });

  it('keep the rows of a cohort when they go down, and find them again going up', async () => {
    await withDatabase(async (database) => {
      await migrateUp(database, silentLogger);
      const extractId = await findOrCreateExtract(database, 'kept');
      await addImages(database, extractId, [
        { accessionNumber: 'A', mrn: 'M', studyDate: '2023-01-01', studyUid: null, pseudoPatientId: null },
      ]);
      expect((await migrateDown(database, silentLogger)).cohortTables).to.equal('pixl-imaging');
      await migrateUp(database, silentLogger);
      expect(await findOrCreateExtract(database, 'kept')).to.equal(extractId);
    });
  });

  it('run once when several daemons start at the same time', async () => {
    await withDatabase(async (database, address) => {
      const others = [1, 2, 3, 4].map(() => openDatabase({ ...address, tls: null }, { log: silentLogger }));
      const results = await Promise.all([database, ...others].map((each) => migrateUp(each, silentLogger)));
      await Promise.all(others.map((each) => each.close()));
      expect(results.filter(({ changed }) => changed.length > 0)).to.have.length(1);
      expect(results.every(({ pending }) => pending.length === 0)).to.equal(true);
    });
  });

  it('leave nothing behind when a step fails', async () => {
    const postgres = await sharedPostgres();
    await withDatabase(async (database, address) => {
      await execute(address, [
        'CREATE SCHEMA pixl_pipeline',
        'CREATE TABLE pixl_pipeline.setting (other integer)',
      ]);
      const failure = await failureOf(migrateUp(database, silentLogger));
      expect(failure.message).to.contain('SQLSTATE 42P07');
      const left = await postgres.dump(address, '--schema-only');
      expect(left).not.to.match(/CREATE TABLE pixl_pipeline\.(transfer|image|extract) /);
      await execute(address, ['DROP TABLE pixl_pipeline.setting']);
      expect((await migrateUp(database, silentLogger)).changed).to.deep.equal(STEPS);
    });
  });

  it('do not take back what a newer version made', async () => {
    await withDatabase(async (database, address) => {
      await migrateUp(database, silentLogger);
      await execute(address, [
        "INSERT INTO pixl_pipeline.pixl_imaging_migration (name, run_on) VALUES ('0099-newer', now())",
      ]);
      expect((await migrateUp(database, silentLogger)).changed).to.deep.equal([]);
      expect(await failureOf(migrateDown(database, silentLogger))).to.be.instanceOf(SchemaMismatchError);
    });
  });
});

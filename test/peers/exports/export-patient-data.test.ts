import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { patientDataExporter } from '../../../bin/export-patient-data.js';
import { loadConfig } from '../../../src/core/config/index.js';
import { addImages, findOrCreateExtract, migrateUp, type Database } from '../../../src/core/db/index.js';
import {
  ExtractNotFoundError,
  LINKER_COLUMNS,
  NotDeidentifiedError,
  ParquetExport,
  RADIOLOGY_COLUMNS,
  writeParquet,
} from '../../../src/core/exports/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { OptedOutError, OptOutFileError } from '../../../src/core/opt-out.js';
import { rowsOf, withDuckDb } from '../../core/cohort/duckdb.js';
import { runCli, type CliResult } from '../../support/cli.js';
import { fixture } from '../../support/fixtures.js';
import { databaseEnv, sharedPostgres, type DatabaseAddress } from '../../support/postgres.js';
import { LIMITED_USER, QUOTA_BYTES, sharedProftpd, type Proftpd } from '../../support/proftpd.js';
import { rejection } from '../../support/scripted-scp.js';
import { withTempDir } from '../../support/temp-dir.js';
import { withDatabase } from '../db/fixture.js';

const SLUG = 'test-extract-uclh-omop-cdm';
const TIME = '2023-12-07t14-08-58';
const PUBLIC = 'omop/public/omop/PROCEDURE_OCCURRENCE.parquet';
const LINKER = 'radiology/IMAGE_LINKER.parquet';

/** A copy of the fixture with another name, and with files of these sizes in its public part. */
function extractIn(folder: string, project: string, files: Readonly<Record<string, number>> = {}): string {
  const extract = join(folder, 'extract');
  cpSync(fixture('omop'), extract, { recursive: true });
  writeFileSync(
    join(extract, 'extract_summary.json'),
    JSON.stringify({ datetime: '2023-12-07 14:08:58', settings: { cdm_source_name: project } }),
  );
  for (const [name, bytes] of Object.entries(files))
    writeFileSync(join(extract, 'public', name), randomBytes(bytes));
  return extract;
}

/** The two studies of the fixture, entered as populate does. */
async function enterStudies(database: Database): Promise<void> {
  await migrateUp(database, silentLogger);
  const study = { mrn: '987654321', studyDate: '2020-05-23', studyUid: null, pseudoPatientId: null };
  const images = ['AA12345601', 'AA12345605'].map((accessionNumber) => ({ ...study, accessionNumber }));
  await addImages(database, await findOrCreateExtract(database, SLUG), images);
}

async function setExported(database: Database, accessionNumber: string, pseudo: string): Promise<void> {
  await database.query(
    'UPDATE pixl_pipeline.image SET exported_at = now(), pseudo_study_uid = $2 WHERE accession_number = $1',
    [accessionNumber, pseudo],
  );
}

/** The linker as SQL makes it of the extract's files and what is exported. */
async function linkerBySql(database: Database): Promise<unknown> {
  const { rows } = await database.query<{ mrn: string; acc: string; pseudo: string }>(
    'SELECT mrn, accession_number AS acc, pseudo_study_uid AS pseudo FROM pixl_pipeline.image WHERE exported_at IS NOT NULL',
  );
  return withDuckDb(async (connection) => {
    await connection.run('CREATE TABLE image (mrn varchar, acc varchar, pseudo varchar)');
    for (const { mrn, acc, pseudo } of rows)
      await connection.run('INSERT INTO image VALUES ($1, $2, $3)', [mrn, acc, pseudo]);
    return rowsOf(
      connection,
      `SELECT o.procedure_occurrence_id::bigint AS procedure_occurrence_id, pseudo AS pseudo_study_uid
       FROM '${fixture('omop/private/PERSON_LINKS.parquet')}' p
       JOIN '${fixture('omop/public/omop/PROCEDURE_OCCURRENCE.parquet')}' o USING (person_id)
       JOIN '${fixture('omop/private/PROCEDURE_OCCURRENCE_LINKS.parquet')}' a USING (procedure_occurrence_id)
       JOIN image i ON i.mrn = p.PrimaryMrn AND i.acc = a.AccessionNumber ORDER BY 1, 2`,
    );
  });
}

function treeOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
}

describe('pixl-imaging export-patient-data', function () {
  let server: Proftpd;
  before(sharedPostgres);
  before(async () => {
    server = await sharedProftpd();
  });
  beforeEach(() => server.reset());

  interface Place {
    readonly folder: string;
    readonly exportDir: string;
    readonly database: Database;
    readonly env: Readonly<Record<string, string>>;
    readonly run: (extract: string, options?: { readonly tty?: boolean }) => Promise<CliResult>;
  }

  /** A database with the fixture's two studies, folders, and the command with its environment. */
  async function withPlace(work: (place: Place) => Promise<void>): Promise<void> {
    await withDatabase(async (database, address: DatabaseAddress) => {
      await enterStudies(database);
      await withTempDir(async (folder) => {
        const exportDir = join(folder, 'exports');
        const env = {
          ...databaseEnv(address),
          ...server.env('implicit'),
          HOST_EXPORT_ROOT_DIR: exportDir,
        };
        const run: Place['run'] = (extract, options = {}) =>
          runCli(['export-patient-data', extract, '--json'], { env, ...options });
        await work({ folder, exportDir, database, env, run });
      }, 'export');
    });
  }

  const sent = (path: string): Buffer => readFileSync(join(server.home, path));

  it('leaves the trees that PIXL has, here and in the safe haven, and a linker that equals an SQL join', async () => {
    await withPlace(async ({ exportDir, database, run }) => {
      await setExported(database, 'AA12345605', '2.25.5');
      const first = await run(fixture('omop'));
      expect(first.code, first.stderr).to.equal(0);
      const extract = join(exportDir, SLUG, 'all_extracts', TIME);
      const check = async (): Promise<void> => {
        expect(treeOf(extract)).to.deep.equal([PUBLIC, LINKER]);
        const remote = [PUBLIC, LINKER].map((path) => `${SLUG}/${TIME}/parquet/${path}`);
        expect(server.files()).to.deep.equal(remote);
        for (const path of [PUBLIC, LINKER])
          expect(sent(`${SLUG}/${TIME}/parquet/${path}`).equals(readFileSync(join(extract, path)))).to.equal(
            true,
          );
        expect(
          sent(`${SLUG}/${TIME}/parquet/${PUBLIC}`).equals(
            readFileSync(fixture('omop/public/omop/PROCEDURE_OCCURRENCE.parquet')),
          ),
        ).to.equal(true);
        const linker = join(server.home, SLUG, TIME, 'parquet', LINKER);
        const rows = await withDuckDb((connection) => rowsOf(connection, `SELECT * FROM '${linker}'`));
        expect(rows).to.deep.equal(await linkerBySql(database));
      };
      await check();
      expect(readdirSync(join(exportDir, SLUG)).sort()).to.deep.equal(['all_extracts', 'latest']);
      const size = statSync(join(extract, LINKER)).size;
      expect(first.json()).to.deep.equal({
        project: SLUG,
        extract: TIME,
        linker: { rows: 1, procedures: 2, linked: 1, opted_out: 0 },
        files: [
          { path: `${SLUG}/${TIME}/parquet/${PUBLIC}`, bytes: 5264 },
          { path: `${SLUG}/${TIME}/parquet/${LINKER}`, bytes: size },
        ],
        bytes: 5264 + size,
        left_out: [],
      });
      await setExported(database, 'AA12345601', '2.25.1');
      const second = await run(fixture('omop'), { tty: true });
      expect(second.stderr).to.match(/sending .*\d+\/\d+ kB/);
      expect(second.json()).to.deep.include({ linker: { rows: 2, procedures: 2, linked: 2, opted_out: 0 } });
      await check();
    });
  });

  it('sends the radiology table as well, and names what it does not send', async () => {
    await withPlace(async ({ exportDir, run, folder }) => {
      const extract = extractIn(folder, 'Test Extract - UCLH OMOP CDM', { 'notes.txt': 10 });
      await new ParquetExport(
        'Test Extract - UCLH OMOP CDM',
        '2023-12-07 14:08:58',
        exportDir,
      ).exportRadiology([{ procedure_occurrence_id: 4, image_identifier: 'x', image_report: 'y' }]);
      const { code, json, stderr } = await run(extract);
      expect(code, stderr).to.equal(0);
      expect(json()).to.deep.include({ left_out: ['omop/public/notes.txt'] });
      expect(server.files()).to.deep.equal(
        [PUBLIC, LINKER, 'radiology/radiology.parquet'].map((path) => `${SLUG}/${TIME}/parquet/${path}`),
      );
    });
  });

  it('keeps names with blanks and umlauts in their folder, and a project that would lead out of it', async () => {
    await withPlace(async ({ folder, exportDir, run }) => {
      const { code, stderr } = await run(extractIn(folder, '../../Zoë & Söhne', { 'Ærø Öl.parquet': 100 }));
      expect(code, stderr).to.equal(0);
      expect(readdirSync(exportDir)).to.deep.equal(['zoe-sohne']);
      const remote = ['omop/public/Ærø Öl.parquet', PUBLIC, LINKER].map(
        (path) => `zoe-sohne/${TIME}/parquet/${path}`,
      );
      expect(server.files()).to.have.members(remote);
      expect(readdirSync(folder).sort()).to.deep.equal(['exports', 'extract']);
    });
  });

  it('leaves whole files alone when the quota is reached, and all of them after a second run', async () => {
    await withPlace(async ({ folder, env, exportDir }) => {
      const size = Math.floor(QUOTA_BYTES * 0.4);
      const extract = extractIn(folder, 'Big', { 'a.parquet': size, 'b.parquet': size, 'c.parquet': size });
      const limited = { FTP_USER_NAME: LIMITED_USER.name, FTP_USER_PASSWORD: LIMITED_USER.password };
      const first = await runCli(['export-patient-data', extract], { env: { ...env, ...limited } });
      expect(first.code).to.equal(1);
      expect(first.stderr).to.contain('quota');
      expect(server.files()).to.deep.equal(
        ['a', 'b'].map((name) => `big/${TIME}/parquet/omop/public/${name}.parquet`),
      );
      const checkWhole = (): void => {
        for (const path of server.files()) {
          const here = join(exportDir, 'big/all_extracts', TIME, path.slice(`big/${TIME}/parquet/`.length));
          expect(sent(path).equals(readFileSync(here)), path).to.equal(true);
        }
      };
      checkWhole();
      const second = await runCli(['export-patient-data', extract], { env });
      expect(second.code, second.stderr).to.equal(0);
      expect(server.files()).to.have.length(5);
      expect(second.stdout)
        .to.match(/c\.parquet +400\.0 kB\n/)
        .and.to.contain('5 files, 1.2 MB');
      checkWhole();
    });
  });

  const identified: readonly (readonly [string, string])[] = [
    ['has no pseudonym', 'NULL'],
    ['has an empty pseudonym', "' '"],
    ['has the UID that the archives know as its pseudonym', 'study_uid'],
    ['has that UID with padding as its pseudonym', "study_uid || ' '"],
    ["has another study's UID as its pseudonym", "'1.2.3.9'"],
    ['has its accession number as its pseudonym', 'accession_number'],
  ];
  for (const [what, pseudo] of identified)
    it(`sends nothing when an exported study ${what}`, async () => {
      await withPlace(async ({ database, run, env, exportDir }) => {
        await database.query(
          `UPDATE pixl_pipeline.image SET exported_at = now(), pseudo_study_uid = '2.25.' || image_id`,
        );
        await database.query(
          `INSERT INTO pixl_pipeline.image (accession_number, study_date, mrn, study_uid, extract_id)
           SELECT 'CANARYA9', study_date, 'CANARYM9', '1.2.3.9', extract_id FROM pixl_pipeline.image LIMIT 1`,
        );
        await database.query(
          `UPDATE pixl_pipeline.image SET ${/study_uid/.test(pseudo) ? "study_uid = '1.2.3.4'," : ''} pseudo_study_uid = ${pseudo.replace('study_uid', "'1.2.3.4'")}
           WHERE accession_number = 'AA12345605'`,
        );
        const { code, stderr, stdout } = await run(fixture('omop'));
        expect([code, stdout]).to.deep.equal([1, '']);
        expect(stderr).to.contain('NOT_DEIDENTIFIED').and.not.contain('AA12345605');
        expect(server.files()).to.deep.equal([]);
        // What an older version left in the exports does not leave either.
        const linker = join(exportDir, SLUG, 'all_extracts', TIME, LINKER);
        mkdirSync(dirname(linker), { recursive: true });
        const [{ name } = { name: null }] = (
          await database.query<{ name: string | null }>(
            `SELECT pseudo_study_uid AS name FROM pixl_pipeline.image WHERE accession_number = 'AA12345605'`,
          )
        ).rows;
        rmSync(linker, { force: true });
        await writeParquet(linker, LINKER_COLUMNS, [{ procedure_occurrence_id: 5, pseudo_study_uid: name }]);
        const exporter = patientDataExporter(
          loadConfig(env, new Set(['ftps'])),
          database,
          silentLogger,
          new AbortController().signal,
        );
        const asked = ['Test Extract - UCLH OMOP CDM', '2023-12-07T14:08:58'] as const;
        await rejection(exporter(...asked), NotDeidentifiedError);
        expect(server.files()).to.deep.equal([]);
        rmSync(linker);
        await writeParquet(linker, LINKER_COLUMNS, [
          { procedure_occurrence_id: 5, pseudo_study_uid: '2.25.77' },
        ]);
        expect((await exporter(...asked)).files).to.have.length(2);
      });
    });

  it('links no procedure of a patient who opted out, and sends no linker that did before', async () => {
    await withPlace(async ({ env, folder, database, run }) => {
      await setExported(database, 'AA12345605', '2.25.5');
      const made = await run(fixture('omop'));
      expect(made.json()).to.deep.include({ linker: { rows: 1, procedures: 2, linked: 1, opted_out: 0 } });
      const optedOut = { ...env, PIXL_OPT_OUT_FILE: join(folder, 'opt-outs.txt') };
      const exporter = patientDataExporter(
        loadConfig(optedOut, new Set(['ftps'])),
        database,
        silentLogger,
        new AbortController().signal,
      );
      const asked = ['Test Extract - UCLH OMOP CDM', '2023-12-07T14:08:58'] as const;
      await rejection(exporter(...asked), OptOutFileError);
      writeFileSync(optedOut.PIXL_OPT_OUT_FILE, '987654321\n');
      await rejection(exporter(...asked), OptedOutError);
      const again = await runCli(['export-patient-data', fixture('omop'), '--json'], { env: optedOut });
      expect(again.code, again.stderr).to.equal(0);
      expect(again.json()).to.deep.include({ linker: { rows: 0, procedures: 2, linked: 0, opted_out: 2 } });
      expect((await exporter(...asked)).files).to.have.length(2);
    });
  });

  it('sends no radiology table that names studies as the archives do, and none that nobody can look at', async () => {
    await withPlace(async ({ env, exportDir, database }) => {
      const asked = ['Test Extract - UCLH OMOP CDM', '2023-12-07T14:08:58'] as const;
      const parquetExport = new ParquetExport(...asked, exportDir);
      await parquetExport.copyToExports(fixture('omop'));
      const daemon = (books: Database | null): ReturnType<typeof patientDataExporter> =>
        patientDataExporter(
          loadConfig(env, new Set(['ftps'])),
          books,
          silentLogger,
          new AbortController().signal,
        );
      for (const name of ['987654321', 'AA12345605']) {
        await parquetExport.exportRadiology([
          { procedure_occurrence_id: 4, image_identifier: name, image_report: 'y' },
        ]);
        await rejection(daemon(database)(...asked), NotDeidentifiedError);
      }
      await parquetExport.exportRadiology([
        { procedure_occurrence_id: 4, image_identifier: 'f00d', image_report: 'y' },
      ]);
      await rejection(daemon(null)(...asked), NotDeidentifiedError);
      writeFileSync(join(parquetExport.folder, 'radiology', 'radiology.parquet'), 'not a parquet file');
      await rejection(daemon(database)(...asked), NotDeidentifiedError);
      expect(server.files()).to.deep.equal([]);
      await parquetExport.exportRadiology(
        [{ procedure_occurrence_id: 4, image_report: 'y' }],
        RADIOLOGY_COLUMNS.filter(({ name }) => name !== 'image_identifier'),
      );
      expect((await daemon(database)(...asked)).files).to.have.length(2);
      await parquetExport.exportRadiology([
        { procedure_occurrence_id: 4, image_identifier: 'f00d', image_report: 'y' },
      ]);
      expect((await daemon(database)(...asked)).files).to.have.length(2);
    });
  });

  it('says what is missing before it does anything', async () => {
    const { code, stderr } = await runCli(['export-patient-data', fixture('omop')], {
      env: { PIXL_DB_HOST: '127.0.0.1' },
    });
    expect(code).to.equal(2);
    for (const name of ['FTP_HOST', 'FTP_USER_NAME', 'FTP_USER_PASSWORD']) expect(stderr).to.contain(name);
  });

  it('is what the daemon does for an extract that stands in the exports', async () => {
    await withTempDir(async (folder) => {
      const env = { ...server.env('explicit'), HOST_EXPORT_ROOT_DIR: folder };
      const exporter = patientDataExporter(
        loadConfig(env, new Set(['ftps'])),
        null,
        silentLogger,
        new AbortController().signal,
      );
      const asked = ['Test Extract - UCLH OMOP CDM', '2023-12-07T14:08:58'] as const;
      await rejection(exporter(...asked), ExtractNotFoundError);
      await new ParquetExport(...asked, folder).copyToExports(fixture('omop'));
      const { files, bytes } = await exporter(SLUG, '2023-12-07 14:08:58');
      expect([files.length, bytes]).to.deep.equal([1, 5264]);
      expect(server.files()).to.deep.equal([`${SLUG}/${TIME}/parquet/${PUBLIC}`]);
    }, 'export');
  });
});

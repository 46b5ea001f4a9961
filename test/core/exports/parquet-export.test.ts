import { expect } from 'chai';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExportedImage } from '../../../src/core/db/index.js';
import { InvalidValueError } from '../../../src/core/errors.js';
import { ExportFilesError, ExportRowError } from '../../../src/core/exports/export-errors.js';
import { ParquetExport } from '../../../src/core/exports/parquet-export.js';
import { fixture } from '../../support/fixtures.js';
import { withTempDir } from '../../support/temp-dir.js';
import { rowsOf, withDuckDb } from '../cohort/duckdb.js';

const PROJECT = 'Test Extract - UCLH OMOP CDM';
const TIME = '2023-12-07 14:08:58';
/** Of AA12345605. */
const STUDY_UID = '1.2.276.0.7230010.3.1.2.929116473.1.1710754859.579485';
const EXTRACT = 'test-extract-uclh-omop-cdm/all_extracts/2023-12-07t14-08-58';

/** Every file under a folder with what is in it. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
  return Object.fromEntries(files.sort().map((name) => [name, readFileSync(join(folder, name), 'base64')]));
}

async function* each<T>(...items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

function image(mrn: string, accessionNumber: string, studyUid: string | null, pseudo: string): ExportedImage {
  return { mrn, accessionNumber, studyUid, pseudoStudyUid: pseudo };
}

describe('ParquetExport', () => {
  it("puts the fixture's public part where PIXL does, byte for byte, and makes it the latest", async () => {
    await withTempDir(async (root) => {
      const exportDir = join(root, 'exports');
      const result = await new ParquetExport(PROJECT, TIME, exportDir).copyToExports(fixture('omop'));
      const expected = contents(fixture('omop/public'));
      expect(result).to.deep.equal({ files: 1, bytes: 5264, copied: true });
      expect(contents(join(exportDir, EXTRACT))).to.deep.equal(
        Object.fromEntries(Object.entries(expected).map(([name, bytes]) => [`omop/public/${name}`, bytes])),
      );
      expect(readdirSync(exportDir)).to.deep.equal(['test-extract-uclh-omop-cdm']);
      const project = join(exportDir, 'test-extract-uclh-omop-cdm');
      expect(readdirSync(project).sort()).to.deep.equal(['all_extracts', 'latest']);
      expect(readlinkSync(join(project, 'latest'))).to.equal('all_extracts/2023-12-07t14-08-58');
    }, 'exports');
  });

  it('knows an extract by its time, however that is given', () => {
    const slugs = ['2023-12-07T14:08:58', ' 2023-12-07 14:08:58 ', new Date('2023-12-07T14:08:58Z')].map(
      (time) => new ParquetExport(PROJECT, time, '/x').extractTimeSlug,
    );
    expect(slugs.slice(0, 2)).to.deep.equal(['2023-12-07t14-08-58', '2023-12-07t14-08-58']);
    expect(slugs[2]).to.equal('2023-12-07t14-08-58');
    expect(new ParquetExport(PROJECT, '2023-12-07T14:08:58.5+01:00', '/x').extractTimeSlug).to.equal(
      '2023-12-07t14-08-58-500000-01-00',
    );
  });

  it('stays in its folder, or refuses, whatever the project is called', () => {
    for (const name of ['../../up', '/etc/cron.d', 'a b', 'Zoë', '..\\x', 'x\0y'])
      expect(new ParquetExport(name, TIME, '/exports').folder).to.match(
        /^\/exports\/[a-z0-9-]+\/all_extracts\/2023-12-07t14-08-58$/,
      );
    for (const name of ['', '..', '/', '!', 'x'.repeat(300)])
      expect(() => new ParquetExport(name, TIME, '/exports'), name).to.throw(InvalidValueError);
    for (const time of ['', 'now', '../2023', new Date(NaN)])
      expect(() => new ParquetExport(PROJECT, time, '/exports')).to.throw(InvalidValueError);
  });

  it('leaves an equal copy where it is, and takes another in as a whole', async () => {
    await withTempDir(async (root) => {
      const [source, exportDir] = [join(root, 'extract'), join(root, 'exports')];
      const parquetExport = new ParquetExport(PROJECT, TIME, exportDir);
      const target = join(exportDir, EXTRACT, 'omop', 'public');
      mkdirSync(join(source, 'public', 'omop'), { recursive: true });
      writeFileSync(join(source, 'public', 'omop', 'A.parquet'), 'one');
      await parquetExport.copyToExports(source);
      const before = statSync(target).ino;
      expect(await parquetExport.copyToExports(source)).to.include({ copied: false });
      expect(statSync(target).ino).to.equal(before);
      writeFileSync(join(source, 'public', 'omop', 'A.parquet'), 'two');
      writeFileSync(join(source, 'public', 'B.parquet'), 'more');
      expect(await parquetExport.copyToExports(source)).to.include({ copied: true, files: 2, bytes: 7 });
      expect(contents(target)).to.deep.equal(contents(join(source, 'public')));
      expect(readdirSync(exportDir)).to.deep.equal(['test-extract-uclh-omop-cdm']);
    }, 'exports');
  });

  it('moves latest to another extract in one step', async () => {
    await withTempDir(async (root) => {
      const latest = join(root, 'test-extract-uclh-omop-cdm', 'latest');
      await new ParquetExport(PROJECT, TIME, root).copyToExports(fixture('omop'));
      const seen: (string | null)[] = [];
      const look = setInterval(() => seen.push(existsSync(latest) ? readlinkSync(latest) : null), 0);
      try {
        await new ParquetExport(PROJECT, '2024-01-01T00:00:00', root).copyToExports(fixture('omop'));
      } finally {
        clearInterval(look);
      }
      expect(readlinkSync(latest)).to.equal('all_extracts/2024-01-01t00-00-00');
      expect(seen).not.to.include(null);
    }, 'exports');
  });

  it('shows nobody half a copy: until all of it is there none is', async () => {
    await withTempDir(async (root) => {
      const [source, exportDir] = [join(root, 'extract'), join(root, 'exports')];
      mkdirSync(join(source, 'public'), { recursive: true });
      for (let index = 0; index < 60; index += 1)
        writeFileSync(join(source, 'public', `${index}.parquet`), Buffer.alloc(100_000, index));
      const target = join(exportDir, EXTRACT, 'omop', 'public');
      const counts = new Set<number>();
      const look = setInterval(() => {
        const known = existsSync(target);
        counts.add(known ? readdirSync(target).length : 0);
      }, 0);
      try {
        await new ParquetExport(PROJECT, TIME, exportDir).copyToExports(source);
        counts.add(readdirSync(target).length);
      } finally {
        clearInterval(look);
      }
      expect([...counts].sort()).to.deep.equal([0, 60]);
    }, 'exports');
  });

  it('is of one writer when two copy at once', async () => {
    await withTempDir(async (root) => {
      const parquetExport = new ParquetExport(PROJECT, TIME, root);
      const sources = ['one', 'two', 'three'].map((name) => {
        const source = join(root, name);
        mkdirSync(join(source, 'public'), { recursive: true });
        for (let index = 0; index < 10; index += 1)
          writeFileSync(join(source, 'public', `${index}.parquet`), name);
        return source;
      });
      await Promise.all(sources.map((source) => parquetExport.copyToExports(source)));
      const found = Object.values(contents(join(root, EXTRACT, 'omop', 'public')));
      expect(found).to.have.length(10);
      expect(new Set(found).size).to.equal(1);
    }, 'exports');
  });

  it('copies nothing that lies outside of the public part', async () => {
    await withTempDir(async (root) => {
      const source = join(root, 'extract');
      cpSync(fixture('omop'), source, { recursive: true });
      symlinkSync('omop/PROCEDURE_OCCURRENCE.parquet', join(source, 'public', 'inside.parquet'));
      const parquetExport = new ParquetExport(PROJECT, TIME, join(root, 'exports'));
      expect(await parquetExport.copyToExports(source)).to.include({ files: 2 });
      symlinkSync('../private/PERSON_LINKS.parquet', join(source, 'public', 'PEOPLE.parquet'));
      const error = await parquetExport.copyToExports(source).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(ExportFilesError);
      expect((error as Error).message).to.equal('public/PEOPLE.parquet: a link that leads out of the folder');
    }, 'exports');
  });

  it('says what is wrong when there is no public part, or the exports may not be written', async () => {
    await withTempDir(async (root) => {
      const parquetExport = new ParquetExport(PROJECT, TIME, join(root, 'exports'));
      const message = async (work: Promise<unknown>): Promise<string> =>
        work.then(
          () => 'no error',
          (error: unknown) => (error as Error).message,
        );
      expect(await message(parquetExport.copyToExports(root))).to.equal('public: there is no such folder');
      mkdirSync(join(root, 'public'));
      expect(await message(parquetExport.copyToExports(root))).to.equal('public: no files in it');
      expect(await message(parquetExport.files())).to.equal(
        `${EXTRACT}: there is no such extract in the exports`,
      );
      writeFileSync(join(root, 'file'), '');
      const inFile = new ParquetExport(PROJECT, TIME, join(root, 'file'));
      expect(await message(inFile.copyToExports(fixture('omop')))).to.match(/can't be read or written \(E/);
    }, 'exports');
  });

  it('writes the radiology table with its types, all or nothing', async () => {
    await withTempDir(async (root) => {
      const parquetExport = new ParquetExport(PROJECT, TIME, root);
      const file = join(root, EXTRACT, 'radiology', 'radiology.parquet');
      const rows = each(
        { image_identifier: 'abc', procedure_occurrence_id: 4, image_report: 'no finding' },
        { image_identifier: 'def', procedure_occurrence_id: 5, image_report: null },
      );
      expect(await parquetExport.exportRadiology(rows)).to.equal(2);
      const read = (): Promise<unknown> =>
        withDuckDb((connection) => rowsOf(connection, `SELECT * FROM '${file}' ORDER BY 2`));
      const expected = [
        { image_identifier: 'abc', procedure_occurrence_id: '4', image_report: 'no finding' },
        { image_identifier: 'def', procedure_occurrence_id: '5', image_report: null },
      ];
      expect(await read()).to.deep.equal(expected);
      const bad = [{ procedure_occurrence_id: 6 }, { procedure_occurrence_id: 0.5 }];
      const error = await parquetExport.exportRadiology(bad).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(ExportRowError);
      expect(await read()).to.deep.equal(expected);
      expect(readdirSync(root)).to.deep.equal(['test-extract-uclh-omop-cdm']);
    }, 'exports');
  });

  it('links procedures to exported studies as an SQL join in DuckDB does', async () => {
    await withTempDir(async (root) => {
      const images = [
        image('987654321', 'AA12345601', null, '2.25.1'),
        image('987654321', 'AA12345601', null, '2.25.1'),
        image(' 987654321 ', 'AA12345605', STUDY_UID, '2.25.5'),
        image('987654321', 'AA12345605', null, '2.25.4'),
        image('987654321', 'AA12345605', '1.2.4', '2.25.6'),
        image('1', 'AA12345601', null, '2.25.7'),
        image('987654321', 'none', null, '2.25.8'),
      ];
      const counts = await new ParquetExport(PROJECT, TIME, root).exportRadiologyLinker(
        fixture('omop'),
        each(...images),
      );
      await withDuckDb(async (connection) => {
        await connection.run('CREATE TABLE image (mrn varchar, acc varchar, uid varchar, pseudo varchar)');
        for (const { mrn, accessionNumber, studyUid, pseudoStudyUid } of images)
          await connection.run('INSERT INTO image VALUES ($1, $2, $3, $4)', [
            mrn,
            accessionNumber,
            studyUid,
            pseudoStudyUid,
          ]);
        const joined = await rowsOf(
          connection,
          `SELECT DISTINCT o.procedure_occurrence_id::bigint AS procedure_occurrence_id, i.pseudo AS pseudo_study_uid
           FROM '${fixture('omop/private/PERSON_LINKS.parquet')}' p
           JOIN '${fixture('omop/public/omop/PROCEDURE_OCCURRENCE.parquet')}' o USING (person_id)
           JOIN '${fixture('omop/private/PROCEDURE_OCCURRENCE_LINKS.parquet')}' a USING (procedure_occurrence_id)
           JOIN image i ON trim(i.mrn) = trim(p.PrimaryMrn) AND trim(i.acc) = trim(a.AccessionNumber)
             AND (coalesce(a.StudyUid_X, '') = '' OR i.uid IS NULL OR i.uid = a.StudyUid_X)
           ORDER BY 1, 2`,
        );
        const linker = join(root, EXTRACT, 'radiology', 'IMAGE_LINKER.parquet');
        expect(await rowsOf(connection, `SELECT * FROM '${linker}'`)).to.deep.equal(joined);
        expect(joined).to.have.length(3);
        expect(counts).to.deep.equal({ rows: joined.length, procedures: 2, linked: 2, optedOut: 0 });
        const types = await rowsOf(connection, `DESCRIBE SELECT * FROM '${linker}'`);
        expect(types.map((row) => [row['column_name'], row['column_type']])).to.deep.equal([
          ['procedure_occurrence_id', 'BIGINT'],
          ['pseudo_study_uid', 'VARCHAR'],
        ]);
      });
    }, 'exports');
  });
});

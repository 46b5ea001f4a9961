import { expect } from 'chai';
import {
  addImages,
  exportedStudies,
  findOrCreateExtract,
  exportOnce,
  findExportable,
  migrateUp,
  type CohortImage,
  type Database,
  type Queries,
} from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { sharedPostgres } from '../../support/postgres.js';
import { alembicStatements } from '../../support/alembic-database.js';
import { execute, withDatabase } from './fixture.js';

const image = (number: number, rest: Partial<CohortImage> = {}): CohortImage => ({
  accessionNumber: `CANARYA${number}`,
  mrn: `CANARYM${number}`,
  studyDate: '2023-01-31',
  studyUid: `1.2.3.${number}`,
  pseudoPatientId: null,
  ...rest,
});

function withExtract(work: (database: Database, extractId: number) => Promise<void>): Promise<void> {
  return withDatabase(async (database) => {
    await migrateUp(database, silentLogger);
    await work(database, await findOrCreateExtract(database, 'test-extract'));
  });
}

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly Plan[];
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** Does each long statement of a transaction under EXPLAIN first, takes that back, and keeps its plan. */
function withPlans(database: Database, plans: Plan[]): Database {
  const explained = (queries: Queries): Queries => ({
    query: async (sql, params) => {
      if (sql.includes('unnest')) {
        await queries.query('SAVEPOINT explained');
        const { rows } = await queries.query<{ 'QUERY PLAN': readonly [{ Plan: Plan }] }>(
          `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
          params,
        );
        await queries.query('ROLLBACK TO SAVEPOINT explained');
        plans.push(...rows.map((row) => row['QUERY PLAN'][0].Plan));
      }
      return queries.query(sql, params);
    },
  });
  return {
    query: (sql, params) => database.query(sql, params),
    transaction: (work) => database.transaction((queries) => work(explained(queries))),
    session: (work, limitMs) => database.session(work, limitMs),
    stream: (sql, params) => database.stream(sql, params),
    close: () => database.close(),
  };
}

const SENT = { destination: 'ftps://haven:990', path: 'p/1.zip', images: 1, bytes: 2, sha256: '00' };

describe('The images of a cohort', function () {
  before(sharedPostgres);

  it('belong to the one extract of a slug, also when many ask for it at once', async () => {
    await withExtract(async (database, extractId) => {
      const ids = await Promise.all(
        Array.from({ length: 8 }, () => findOrCreateExtract(database, 'another')),
      );
      expect(new Set(ids).size).to.equal(1);
      expect(ids[0]).not.to.equal(extractId);
      expect(await findOrCreateExtract(database, 'test-extract')).to.equal(extractId);
    });
  });

  it('are added once, over batches and at the same time', async () => {
    await withExtract(async (database, extractId) => {
      const images = Array.from({ length: 30_000 }, (_, number) => image(number));
      const added = await Promise.all([
        addImages(database, extractId, images),
        addImages(database, extractId, images.toReversed()),
      ]);
      expect(added[0].added + added[1].added).to.equal(30_000);
      const again = await addImages(database, extractId, [...images.slice(0, 10), image(1), image(1)]);
      expect(again.added).to.equal(0);
      const other = await findOrCreateExtract(database, 'another');
      const anew = await addImages(database, other, [image(1), image(1), image(1, { studyUid: '1.2.9' })]);
      expect(anew.added).to.equal(2);
    });
  });

  it('keep the pseudonym that they were added with, if they were with one', async () => {
    await withExtract(async (database, extractId) => {
      await addImages(database, extractId, [image(1, { pseudoPatientId: 'P-1' }), image(2)]);
      await addImages(database, extractId, [
        image(1, { pseudoPatientId: 'P-9' }),
        image(2, { pseudoPatientId: 'P-9' }),
        image(3, { pseudoPatientId: 'P-3' }),
      ]);
      const { rows } = await database.query(
        'SELECT mrn, pseudo_patient_id FROM pixl_pipeline.image ORDER BY mrn',
      );
      expect(rows).to.deep.equal([
        { mrn: 'CANARYM1', pseudo_patient_id: 'P-1' },
        { mrn: 'CANARYM2', pseudo_patient_id: null },
        { mrn: 'CANARYM3', pseudo_patient_id: 'P-3' },
      ]);
    });
  });

  it('know which are exported, also those that PIXL wrote without a study UID', async () => {
    await withExtract(async (database, extractId) => {
      await addImages(database, extractId, [image(1), image(2), image(3, { studyUid: null }), image(4)]);
      await addImages(database, extractId, [image(4, { studyUid: '1.2.3.44' })]);
      await database.query(
        "UPDATE pixl_pipeline.image SET exported_at = now() WHERE accession_number IN ('CANARYA1', 'CANARYA3') OR study_uid = '1.2.3.4'",
      );
      const asked = [
        image(2),
        image(1),
        image(1, { studyUid: null }),
        image(3),
        image(1, { studyDate: '2023-02-01' }),
        image(1, { mrn: 'CANARYM2' }),
        image(4),
        image(4, { studyUid: null }), // one of its two studies is not exported
        image(9),
      ];
      expect(await exportedStudies(database, extractId, asked)).to.deep.equal([
        ...[false, true, true, true, false, false, true, false, false],
      ]);
      expect(await exportedStudies(database, extractId + 1, asked)).to.deep.equal(asked.map(() => false));
      const { added, exported } = await addImages(database, extractId, asked);
      expect(exported).to.deep.equal([false, true, true, true, false, false, true, false, false]);
      expect(added).to.equal(3); // another date, another MRN, and the one that nobody knew
    });
  });

  for (const [whose, statements] of [
    ['our own tables', []],
    ["PIXL's, which have no index but the primary key", alembicStatements()],
  ] as const)
    it(`are looked up by reading ${whose} once for many, also when the server believes that the extract is empty`, () =>
      withDatabase(async (database, address) => {
        await execute(address, statements);
        await migrateUp(database, silentLogger);
        await execute(address, ['ALTER TABLE pixl_pipeline.image SET (autovacuum_enabled = false)']);
        const before = await findOrCreateExtract(database, 'before');
        await addImages(
          database,
          before,
          Array.from({ length: 20_000 }, (_, number) => image(number)),
        );
        await execute(address, ['ANALYZE pixl_pipeline.image']);
        const extract = await findOrCreateExtract(database, 'test-extract');
        const plans: Plan[] = [];
        const watched = withPlans(database, plans);
        const images = Array.from({ length: 12_000 }, (_, number) => image(number));
        await addImages(watched, extract, images.slice(0, 10_000));
        expect((await addImages(watched, extract, images)).added).to.equal(2_000);
        await exportedStudies(watched, extract, images);
        expect(plans).to.have.length(3);
        for (const plan of plans) {
          const nodes = nodesOf(plan);
          expect(nodes.filter((node) => node['Node Type'] === 'Nested Loop')).to.deep.equal([]);
          const readings = nodes.filter(
            (node) => node['Relation Name'] === 'image' && node.Plans === undefined,
          );
          expect(readings.filter((node) => node['Actual Loops'] !== 1)).to.deep.equal([]);
        }
      }));

  it('are exported once, however many try at the same time', async () => {
    await withExtract(async (database, extractId) => {
      await addImages(database, extractId, [image(1), image(2)]);
      await database.query(
        "UPDATE pixl_pipeline.image SET pseudo_study_uid = '2.25.1' WHERE study_uid = '1.2.3.1'",
      );
      let placed = 0;
      const place = (): Promise<void> => {
        placed += 1;
        return Promise.resolve();
      };
      const outcomes = await Promise.all(
        Array.from({ length: 5 }, () => exportOnce(database, 'test-extract', '2.25.1', SENT, place)),
      );
      expect(outcomes.sort()).to.deep.equal(['already', 'already', 'already', 'already', 'exported']);
      expect(placed).to.equal(1);
      expect(await exportOnce(database, 'another', '2.25.1', SENT, place)).to.equal('unknown');
      expect(await exportOnce(database, 'test-extract', '2.25.2', SENT, place)).to.equal('unknown');
      const { rows } = await database.query(
        'SELECT exported_at IS NOT NULL AS exported FROM pixl_pipeline.image ORDER BY image_id',
      );
      expect(rows).to.deep.equal([{ exported: true }, { exported: false }]);
    });
  });

  it('are not noted as exported when that fails', async () => {
    await withExtract(async (database, extractId) => {
      await addImages(database, extractId, [image(1)]);
      await database.query("UPDATE pixl_pipeline.image SET pseudo_study_uid = '2.25.1'");
      const failing = exportOnce(database, 'test-extract', '2.25.1', SENT, () =>
        Promise.reject(new RangeError('no room')),
      );
      expect(await failing.catch((error: unknown) => error)).to.be.an.instanceOf(RangeError);
      expect(await findExportable(database, 'test-extract', '1.2.3.1')).to.deep.equal({
        pseudoStudyUid: '2.25.1',
        isExported: false,
      });
    });
  });

  it('are known by their pseudonymous UID, or by their own, and have no other name', async () => {
    await withExtract(async (database, extractId) => {
      await addImages(database, extractId, [image(1), image(2), image(3)]);
      await database.query(
        `UPDATE pixl_pipeline.image SET pseudo_study_uid = CASE study_uid WHEN '1.2.3.1' THEN '2.25.1 ' WHEN '1.2.3.2' THEN ' ' END`,
      );
      const pseudonyms = ['2.25.1', '1.2.3.1', '1.2.3.2', '1.2.3.3', '1.2.3.9'].map(
        async (uid) => (await findExportable(database, 'test-extract', uid))?.pseudoStudyUid,
      );
      expect(await Promise.all(pseudonyms)).to.deep.equal(['2.25.1', '2.25.1', null, null, undefined]);
      expect(await exportOnce(database, 'test-extract', '1.2.3.3', SENT, () => Promise.resolve())).to.equal(
        'unknown',
      );
    });
  });

  it('are not exported under a name that an archive knows, also when it was given meanwhile', async () => {
    await withExtract(async (database, extractId) => {
      await addImages(database, extractId, [image(1), image(2)]);
      for (const named of ['study_uid', "'1.2.3.2'"]) {
        await database.query(
          `UPDATE pixl_pipeline.image SET pseudo_study_uid = ${named} WHERE study_uid = '1.2.3.1'`,
        );
        const uid = named === 'study_uid' ? '1.2.3.1' : '1.2.3.2';
        expect(
          await exportOnce(database, 'test-extract', uid, SENT, () => Promise.reject(new Error('placed'))),
        ).to.equal('identified');
      }
    });
  });
});

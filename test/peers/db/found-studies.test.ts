import { expect } from 'chai';
import {
  addImages,
  exportOnce,
  findExportable,
  findOrCreateExtract,
  FoundStudies,
  identifiersBehind,
  Ledger,
  migrateUp,
  type Database,
} from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import type { OutcomeEntry } from '../../../src/core/outcome.js';
import { alembicStatements } from '../../support/alembic-database.js';
import { entryOf, messageNumbered, missingEntry, studyReport } from '../../support/outcome-entries.js';
import { sharedPostgres } from '../../support/postgres.js';
import { execute, withDatabase } from './fixture.js';

const SLUG = 'test-project';
const byAccession = (number: number): ReturnType<typeof messageNumbered> =>
  messageNumbered(number, { study_uid: '' });
const found = (number: number, ...uids: readonly string[]): OutcomeEntry =>
  entryOf(byAccession(number), {
    kind: 'delivered',
    archive: 'primary',
    archiveAnswer: 'ok',
    studies: uids.map((uid) => studyReport(uid, 3)),
  });

const SENT = { destination: 'ftps://haven:990', path: 'p/1.zip', images: 1, bytes: 2, sha256: '00' };

describe('A study that was found by MRN and accession number', function () {
  this.timeout(60_000);
  before(sharedPostgres);

  /** The rows of three messages, two of which name no study. */
  async function withRows(
    work: (database: Database, record: (...entries: OutcomeEntry[]) => Promise<void>) => Promise<void>,
    isPixls = false,
  ): Promise<void> {
    await withDatabase(async (database, address) => {
      if (isPixls) await execute(address, alembicStatements());
      await migrateUp(database, silentLogger);
      const extract = await findOrCreateExtract(database, SLUG);
      await addImages(
        database,
        extract,
        [1, 2, 3].map((number) => ({
          mrn: `CANARYM${number}`,
          accessionNumber: `CANARYA${number}`,
          studyDate: '2023-01-31',
          studyUid: number === 3 ? '1.2.3.3' : null,
          pseudoPatientId: null,
        })),
      );
      const recorders = [new Ledger(database), new FoundStudies(database)];
      await work(database, async (...entries) => {
        for (const entry of entries) for (const recorder of recorders) await recorder.record(entry);
      });
    });
  }

  const uids = async (database: Database): Promise<unknown[]> =>
    (
      await database.query<{ uid: string | null }>(
        'SELECT study_uid AS uid FROM pixl_pipeline.image ORDER BY image_id',
      )
    ).rows.map(({ uid }) => uid);

  for (const isPixls of [false, true])
    it(`is written to its row, once, in tables of ${isPixls ? 'PIXL' : 'our own'}, and can be exported by its UID`, async () => {
      await withRows(async (database, record) => {
        expect(await findExportable(database, SLUG, '1.9.1')).to.equal(null);
        await record(found(1, '1.9.1'));
        expect(await uids(database)).to.deep.equal(['1.9.1', null, '1.2.3.3']);
        // Another answer, and a retry, change nothing.
        await record(found(1, '1.9.7'), found(1, '1.9.1'));
        expect(await uids(database)).to.deep.equal(['1.9.1', null, '1.2.3.3']);
        await database.query(
          "UPDATE pixl_pipeline.image SET pseudo_study_uid = '2.25.1' WHERE study_uid = '1.9.1'",
        );
        expect(await findExportable(database, SLUG, '1.9.1')).to.deep.equal({
          pseudoStudyUid: '2.25.1',
          isExported: false,
        });
        expect(await exportOnce(database, SLUG, '2.25.1', SENT, () => Promise.resolve())).to.equal(
          'exported',
        );
      }, isPixls);
    });

  it('is not written where several were found, but known by its UID all the same', async () => {
    await withRows(async (database, record) => {
      await record(found(2, '1.9.1', '1.9.2'));
      expect(await uids(database)).to.deep.equal([null, null, '1.2.3.3']);
      await database.query(
        "UPDATE pixl_pipeline.image SET pseudo_study_uid = '2.25.2' WHERE mrn = 'CANARYM2'",
      );
      for (const uid of ['1.9.1', '1.9.2'])
        expect(await findExportable(database, SLUG, uid)).to.include({ pseudoStudyUid: '2.25.2' });
      expect((await identifiersBehind(database, '2.25.2')).studyUids).to.have.members(['1.9.1', '1.9.2']);
    });
  });

  it('is written nowhere else', async () => {
    await withRows(async (database, record) => {
      await record(
        missingEntry(byAccession(1)),
        found(9, '1.9.9'),
        // The message named a study: a row without one stands for others, too.
        entryOf(messageNumbered(1), {
          ...{ kind: 'delivered', archive: 'primary', archiveAnswer: 'ok' },
          studies: [studyReport('1.9.4', 3)],
        }),
        entryOf(byAccession(3), {
          ...{ kind: 'delivered', archive: 'primary', archiveAnswer: 'ok' },
          studies: [studyReport('1.9.3', 3)],
        }),
      );
      expect(await uids(database)).to.deep.equal([null, null, '1.2.3.3']);
      // But whoever asks for what the archive gave finds the row.
      await database.query(
        "UPDATE pixl_pipeline.image SET pseudo_study_uid = '2.25.3' WHERE mrn = 'CANARYM3'",
      );
      expect((await identifiersBehind(database, '2.25.3')).studyUids).to.have.members(['1.2.3.3', '1.9.3']);
    });
  });
});

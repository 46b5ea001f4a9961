import { expect } from 'chai';
import {
  addImages,
  findExportable,
  findOrCreateExtract,
  ImagePseudonyms,
  migrateUp,
  type CohortImage,
  type Database,
} from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { sharedPostgres } from '../../support/postgres.js';
import { DATABASES } from './fixture.js';

const MADE = { studyUid: '2.25.1', patientId: 'made' };
const STUDY = {
  project: 'one',
  patientId: 'CANARY-M1',
  accessionNumber: 'CANARY-A1',
  studyInstanceUid: '1.2.3',
};

for (const [name, withIt] of DATABASES)
  describe(`The pseudonyms of the table image in ${name}`, function () {
    this.timeout(60_000);
    before(sharedPostgres);

    const row = (facts: Partial<CohortImage> = {}): CohortImage => ({
      ...{ accessionNumber: STUDY.accessionNumber, mrn: STUDY.patientId, studyDate: '2020-01-02' },
      ...{ studyUid: null, pseudoPatientId: null, ...facts },
    });

    interface Kept {
      readonly uid: string | null;
      readonly study: string | null;
      readonly patient: string | null;
    }

    /** With rows in a project, some with a pseudonym. */
    const withRows = (
      rows: readonly (Partial<CohortImage> & { readonly pseudoStudyUid?: string })[],
      work: (
        pseudonyms: ImagePseudonyms,
        kept: () => Promise<readonly Kept[]>,
        database: Database,
      ) => Promise<void>,
      slug = 'one',
    ): Promise<void> =>
      withIt(async (database) => {
        await migrateUp(database, silentLogger);
        const extract = await findOrCreateExtract(database, slug);
        for (const { pseudoStudyUid, ...facts } of rows) {
          await addImages(database, extract, [row(facts)]);
          await database.query(
            'UPDATE pixl_pipeline.image SET pseudo_study_uid = $1 WHERE image_id = (SELECT max(image_id) FROM pixl_pipeline.image)',
            [pseudoStudyUid ?? null],
          );
        }
        const kept = async (): Promise<readonly Kept[]> =>
          (
            await database.query<Kept>(
              'SELECT study_uid AS uid, pseudo_study_uid AS study, pseudo_patient_id AS patient FROM pixl_pipeline.image ORDER BY image_id',
            )
          ).rows;
        await work(new ImagePseudonyms(database), kept, database);
      });

    it('are filled in where nobody has, so that an export finds the study by each of its names', () =>
      withRows([{ studyUid: '1.2.3' }, { studyUid: '1.2.4' }], async (pseudonyms, kept, database) => {
        expect(await pseudonyms.settled(STUDY, MADE)).to.deep.equal(MADE);
        expect(await kept()).to.deep.equal([
          { uid: '1.2.3', study: '2.25.1', patient: 'made' },
          { uid: '1.2.4', study: '2.25.1', patient: 'made' },
        ]);
        for (const uid of ['1.2.3', '1.2.4', '2.25.1'])
          expect((await findExportable(database, 'one', uid))?.pseudoStudyUid).to.equal('2.25.1');
      }));

    it('are used where somebody has filled them in, of the patient in any row of theirs', () =>
      withRows(
        [{ pseudoStudyUid: '9.9.9 ' }, { accessionNumber: 'CANARY-A2', pseudoPatientId: 'SUBJECT-1' }],
        async (pseudonyms, kept) => {
          const settled = { studyUid: '9.9.9', patientId: 'SUBJECT-1' };
          expect(await pseudonyms.settled(STUDY, MADE)).to.deep.equal(settled);
          expect(await kept()).to.deep.equal([
            { uid: null, study: '9.9.9 ', patient: 'SUBJECT-1' },
            { uid: null, study: null, patient: 'SUBJECT-1' },
          ]);
        },
      ));

    it('are found by the UID of a study that has no accession number', () =>
      withRows([{ studyUid: '1.2.3', accessionNumber: '', pseudoStudyUid: '9.9.9' }], async (pseudonyms) => {
        const study = { ...STUDY, accessionNumber: '' };
        expect((await pseudonyms.settled(study, MADE)).studyUid).to.equal('9.9.9');
      }));

    it('are not used when they are an original, or no UID', () =>
      withRows(
        [
          { studyUid: '1.2.3', pseudoStudyUid: '1.2.3', pseudoPatientId: STUDY.patientId },
          { studyUid: '1.2.4', pseudoStudyUid: '../x' },
        ],
        async (pseudonyms, kept) => {
          expect(await pseudonyms.settled(STUDY, MADE)).to.deep.equal(MADE);
          expect((await kept()).map(({ study }) => study)).to.deep.equal(['1.2.3', '../x']);
        },
      ));

    it("are not looked for in another project's rows, nor are those changed", () =>
      withRows(
        [{ pseudoStudyUid: '9.9.9' }, { studyUid: '1.2.5' }],
        async (pseudonyms, kept) => {
          const before = await kept();
          expect(await pseudonyms.settled(STUDY, MADE)).to.deep.equal(MADE);
          expect(await kept()).to.deep.equal(before);
        },
        'two',
      ));
  });

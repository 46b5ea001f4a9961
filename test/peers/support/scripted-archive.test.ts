import { expect } from 'chai';
import { join } from 'node:path';
import { compress, makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { findscu, movescu } from '../../support/dcmtk.js';
import { eventually } from '../../support/eventually.js';
import { run } from '../../support/processes.js';
import {
  MOVES,
  startScriptedArchive,
  type ArchiveQuirks,
  type MoveQuirks,
  type ScriptedArchive,
} from '../../support/scripted-archive.js';
import { startStorescp, type Storescp } from '../../support/storescp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

describe('the scripted archive', () => {
  let folder: TempDir;
  let study: MadeStudy;
  let sink: Storescp;
  let archive: ScriptedArchive;
  before(async () => {
    folder = tempDir('studies');
    study = await makeStudy(join(folder.path, 'one'), { study: 1, series: 2, instances: 2 });
    sink = await startStorescp({ aeTitle: 'SINK' });
  });
  after(async () => {
    await sink.close();
    folder.remove();
  });
  beforeEach(async () => {
    archive = await startScriptedArchive({ studies: [study], destinations: [sink] });
  });
  afterEach(() => archive.close());

  const byStudy = (): Record<string, string> => ({
    QueryRetrieveLevel: 'STUDY',
    StudyInstanceUID: study.studyInstanceUid,
  });

  it('answers C-ECHO, and rejects a wrong called AE title', async () => {
    await run('echoscu', ['-aec', 'ARCHIVE', archive.host, `${archive.port}`]);
    const wrong = await run('echoscu', ['-v', '-aec', 'OTHER', archive.host, `${archive.port}`], {
      allowFailure: true,
    });
    expect(wrong.stdout + wrong.stderr).to.contain('Called AE Title Not Recognized');
    expect(archive.requests('C-ECHO')).to.have.length(1);
    expect(archive.record).to.include({ associations: 1, maxSimultaneous: 1 });
    expect(archive.record.rejectedAt).to.have.length(1);
  });

  it('finds studies, series and images', async () => {
    const studies = await findscu(archive, {
      QueryRetrieveLevel: 'STUDY',
      PatientID: 'CANARYM1',
      AccessionNumber: 'CANARYA1',
      StudyInstanceUID: '',
    });
    expect(studies.answers).to.deep.equal([
      {
        QueryRetrieveLevel: 'STUDY',
        SpecificCharacterSet: 'ISO_IR 100',
        PatientID: 'CANARYM1',
        AccessionNumber: 'CANARYA1',
        StudyInstanceUID: study.studyInstanceUid,
      },
    ]);
    const series = await findscu(archive, {
      ...byStudy(),
      QueryRetrieveLevel: 'SERIES',
      SeriesInstanceUID: '',
      Modality: '',
    });
    expect(series.answers.map((one) => one['SeriesInstanceUID'])).to.deep.equal(
      study.series.map((one) => one.seriesInstanceUid),
    );
    const images = await findscu(archive, {
      ...byStudy(),
      QueryRetrieveLevel: 'IMAGE',
      SeriesInstanceUID: study.series[1]!.seriesInstanceUid,
      SOPInstanceUID: '',
    });
    expect(images.answers.map((one) => one['SOPInstanceUID'])).to.deep.equal(
      study.series[1]!.instances.map((one) => one.sopInstanceUid),
    );
    const none = await findscu(archive, { QueryRetrieveLevel: 'STUDY', PatientID: 'NOBODY' });
    expect(none.answers).to.deep.equal([]);
    expect(archive.requests('C-FIND').map((one) => one.level)).to.deep.equal([
      'STUDY',
      'SERIES',
      'IMAGE',
      'STUDY',
    ]);
  });

  it('refuses queries without their parents, and takes note of them', async () => {
    const { log } = await findscu(archive, { QueryRetrieveLevel: 'IMAGE', SOPInstanceUID: '' });
    expect(log).to.match(/0xa900|DataSetDoesNotMatch|IdentifierDoesNotMatch|Failed: /i);
    expect(archive.record.violations).to.have.length(1);
  });

  it('has quirks in its answers', async () => {
    archive.setQuirks({
      find: {
        ignoreKeys: true,
        pendingStatus: 0xff01,
        characterSet: 'NO_SUCH_SET',
        uidPadding: '  ',
        textPadding: '      ',
        omit: ['AccessionNumber'],
      },
    });
    const { answers, log } = await findscu(archive, {
      QueryRetrieveLevel: 'STUDY',
      PatientID: 'NOBODY',
      AccessionNumber: '',
      StudyInstanceUID: '',
    });
    expect(answers).to.have.length(1);
    expect(answers[0]).not.to.have.property('AccessionNumber');
    expect(answers[0]).to.include({ PatientID: 'CANARYM1', SpecificCharacterSet: 'NO_SUCH_SET' });
    expect(log).to.contain('CANARYM1      ]');
  });

  it('moves for real, one pending response per image, and notes what it sent', async () => {
    const { log } = await movescu(archive, 'SINK', byStudy());
    expect(log).to.match(/0x0000: Success/);
    expect(log.match(/0xff00/gi)).to.have.length(4);
    expect(archive.record.sent.map((one) => one.sopInstanceUid)).to.have.members([...study.sopInstanceUids]);
    expect(archive.requests('C-MOVE')[0]).to.include({
      level: 'STUDY',
      instances: 4,
      destination: 'SINK',
      root: 'study',
    });
    expect(sink.files()).to.have.length(4);
  });

  it('moves lists of images, and compressed ones as they are', async () => {
    const file = join(folder.path, 'compressed.dcm');
    await compress(study.files[0]!, file, 'jpegLossless');
    const [first, ...others] = study.series[0]!.instances;
    const series = { ...study.series[0]!, instances: [{ ...first!, file }, ...others] };
    archive.setStudies([{ ...study, series: [series] }]);
    const keys = { ...byStudy(), QueryRetrieveLevel: 'IMAGE', SeriesInstanceUID: series.seriesInstanceUid };
    const uids = series.instances.map((one) => one.sopInstanceUid);
    await movescu(archive, 'SINK', { ...keys, SOPInstanceUID: uids.join('\\') });
    expect(archive.record.sent.map((one) => one.sopInstanceUid)).to.have.members(uids);
  });

  type Counters = readonly [completed: number | undefined, failed: number | undefined];
  const moves: readonly (readonly [string, MoveQuirks, number, Counters, number])[] = [
    ['claims success and sends nothing', MOVES.successWithNothingSent, 0x0000, [4, 0], 0],
    ['says that nothing matched', MOVES.successWithoutMatches, 0x0000, [0, 0], 0],
    ['claims success with failures counted', MOVES.successWithFailures, 0x0000, [1, 3], 1],
    ['warns without a reason', MOVES.warningWithoutReason, 0xb000, [undefined, undefined], 4],
    ['runs out of resources half way', MOVES.outOfResourcesHalfWay, 0xa702, [1, 3], 1],
    ['counts nothing', MOVES.noCounters, 0x0000, [undefined, undefined], 4],
    ['is busy', MOVES.busy, 0xa701, [undefined, undefined], 0],
    ['sends less than it lists, honestly', { send: 2 }, 0xb000, [2, 2], 2],
  ];
  for (const [what, move, status, [completed, failed], sent] of moves) {
    it(`${what} when it is told to`, async () => {
      archive.setQuirks({ move });
      const { final, log } = await movescu(archive, 'SINK', byStudy());
      expect(final, log).to.include({ status, completed, failed });
      expect(archive.record.sent).to.have.length(sent);
    });
  }

  it('aborts half way when it is told to', async () => {
    archive.setQuirks({ move: MOVES.abortHalfWay });
    const { log } = await movescu(archive, 'SINK', byStudy());
    expect(log).to.match(/Peer aborted Association/i);
    expect(archive.record.sent).to.have.length(1);
  });

  it('answers slowly, with pending meanwhile, when it is told to', async () => {
    archive.setQuirks({ move: { startAfterMs: 300, pending: 50 } });
    const { final, responses } = await movescu(archive, 'SINK', byStudy());
    expect(final).to.include({ status: 0, completed: 4 });
    expect(responses.length).to.be.greaterThan(4);
    expect(responses[0]).to.include({ status: 0xff00, remaining: 4 });
  });

  it('sends after it has answered when it is told to', async () => {
    archive.setQuirks({ move: MOVES.successBeforeSending });
    const { log } = await movescu(archive, 'SINK', byStudy());
    expect(log).to.match(/0x0000: Success/);
    expect(archive.record.sent).to.have.length(0);
    await eventually(() => expect(archive.record.sent).to.have.length(4));
  });

  it('gives no final response when it is told to', async () => {
    archive.setQuirks({ move: MOVES.noFinalResponse });
    await movescu(archive, 'SINK', byStudy(), { args: ['-td', '1'] });
    expect(archive.record.sent).to.have.length(4);
  });

  for (const status of [0xa900, 0x0122, 0xc000]) {
    it(`refuses moves of images with 0x${status.toString(16)} and does whole series`, async () => {
      const quirks: ArchiveQuirks = { refuseLevels: { IMAGE: status } };
      archive.setQuirks(quirks);
      const [series] = study.series;
      const keys = { ...byStudy(), SeriesInstanceUID: series!.seriesInstanceUid };
      const refused = await movescu(archive, 'SINK', {
        ...keys,
        QueryRetrieveLevel: 'IMAGE',
        SOPInstanceUID: study.sopInstanceUids[0]!,
      });
      expect(refused.log).to.match(new RegExp(`0x${status.toString(16).padStart(4, '0')}`));
      await movescu(archive, 'SINK', { ...keys, QueryRetrieveLevel: 'SERIES' });
      expect(archive.record.sent).to.have.length(2);
    });
  }

  it('answers a C-CANCEL with 0xFE00 and stops', async () => {
    archive.setQuirks({ move: { startAfterMs: 20_000, pending: 30 } });
    const { log } = await movescu(archive, 'SINK', byStudy(), { args: ['--cancel', '1'] });
    expect(log).to.match(/0xfe00/i);
    expect(archive.requests('C-CANCEL')).to.have.length(1);
    expect(archive.record.sent).to.have.length(0);
  });

  it('does not know every destination, and lets only so many in', async () => {
    expect((await movescu(archive, 'NOWHERE', byStudy())).log).to.match(/0xa801/);
    archive.setQuirks({ rejectFirst: 1 });
    expect((await movescu(archive, 'SINK', byStudy())).log).to.match(/Temporary Congestion/);
    archive.setQuirks({ maxAssociations: 0 });
    expect((await movescu(archive, 'SINK', byStudy())).log).to.match(/Local Limit Exceeded/);
  });
});

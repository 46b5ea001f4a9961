import { expect } from 'chai';
import { nodesEnv, runCli } from '../../support/cli.js';
import { makeStudy, UID_ROOT, type MadeStudy } from '../../support/dicom-files.js';
import { sharedLab, type Lab } from '../../support/lab.js';
import { startScriptedArchive } from '../../support/scripted-archive.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { NO_STUDY } from '../../support/canary.js';

const FIND_ROOT = `${UID_ROOT}.7101`;

describe('pixl-imaging find', () => {
  let lab: Lab;
  let dir: TempDir;
  let study: MadeStudy;
  let twin: MadeStudy;
  const env = (): Record<string, string> =>
    nodesEnv({ primary: lab.vna, secondary: lab.pacs, raw: lab.raw, anon: lab.anon });
  const byUid = (): string[] => ['find', '--study-uid', study.studyInstanceUid];
  const byAccession = (): string[] => ['find', '--mrn', study.mrn, '--accession', study.accession];

  before(async function () {
    lab = await sharedLab();
    dir = tempDir('find');
    const shared = {
      uidRoot: FIND_ROOT,
      mrn: 'CANARYM-FIND',
      accession: 'CANARYA-FIND',
      studyDate: '20230405',
    };
    study = await makeStudy(dir.path, {
      ...shared,
      study: 1,
      series: [
        { instances: 3, modality: 'CT' },
        { instances: 2, modality: 'SR', sopClass: 'SR' },
      ],
    });
    twin = await makeStudy(dir.path, { ...shared, study: 2, instances: 1 });
    await lab.vna.load([...study.files, ...twin.files]);
  });
  after(() => dir.remove());
  beforeEach(() => lab.reset());

  it('prints a study, and counts its images where the archive does not', async () => {
    const { code, stderr, json } = await runCli([...byUid(), '--json'], { env: env() });
    expect(code).to.equal(0);
    expect(stderr).to.equal('');
    expect(json()).to.deep.equal([
      {
        study_uid: study.studyInstanceUid,
        mrn: 'CANARYM-FIND',
        accession_number: 'CANARYA-FIND',
        study_date: '20230405',
        modality: '',
        images: 5,
      },
    ]);
  });

  it('prints every study that MRN and accession number mean', async () => {
    const { code, json } = await runCli([...byAccession(), '--json'], { env: env() });
    expect(code).to.equal(0);
    const rows = json() as { study_uid: string; images: number }[];
    expect(rows.map((row) => [row.study_uid, row.images]).sort()).to.deep.equal([
      [study.studyInstanceUid, 5],
      [twin.studyInstanceUid, 1],
    ]);
  });

  it('falls back to MRN and accession number when nobody knows the UID', async () => {
    const args = ['find', '--study-uid', NO_STUDY, '--mrn', study.mrn, '--accession', study.accession];
    const { code, json } = await runCli([...args, '--json'], { env: env() });
    expect(code).to.equal(0);
    expect(json()).to.have.length(2);
  });

  it('prints series with their images counted', async () => {
    const { code, json } = await runCli([...byUid(), '--level', 'series', '--json'], { env: env() });
    expect(code).to.equal(0);
    const rows = json() as { series_uid: string }[];
    expect([...rows].sort((a, b) => a.series_uid.localeCompare(b.series_uid))).to.deep.equal([
      {
        study_uid: study.studyInstanceUid,
        series_uid: study.series[0]!.seriesInstanceUid,
        modality: 'CT',
        images: 3,
      },
      {
        study_uid: study.studyInstanceUid,
        series_uid: study.series[1]!.seriesInstanceUid,
        modality: 'SR',
        images: 2,
      },
    ]);
  });

  it('prints images', async () => {
    const { code, json } = await runCli([...byUid(), '--level', 'image', '--json'], { env: env() });
    expect(code).to.equal(0);
    const expected = study.series.flatMap(({ seriesInstanceUid, instances }) =>
      instances.map(({ sopInstanceUid }) => ({
        study_uid: study.studyInstanceUid,
        series_uid: seriesInstanceUid,
        sop_instance_uid: sopInstanceUid,
      })),
    );
    expect(json()).to.have.deep.members(expected);
  });

  it('shows what an archive sends, and lets no terminal obey it', async () => {
    const hostile = 'CANARYM\x07\x9b2J\x1b[31m';
    const bidi = 'CANARYA\u202e\u200b';
    const made = await makeStudy(dir.path, {
      ...{ uidRoot: FIND_ROOT, study: 9, instances: 1, characterSet: 'ISO_IR 192' },
      ...{ mrn: hostile, accession: bidi },
    });
    await lab.vna.load(made.files);
    const args = ['find', '--study-uid', made.studyInstanceUid];
    const { stdout, stderr } = await runCli(args, { env: env() });
    expect(stdout + stderr).not.to.match(/(?!\n)[\p{Cc}\p{Cf}]/u);
    expect(stdout).to.contain('CANARYM\\x07');
    const found = (await runCli([...args, '--json'], { env: env() })).json() as {
      accession_number: string;
    }[];
    expect(found[0]?.accession_number).to.equal(bidi);
  });

  for (const level of ['study', 'series', 'image'])
    it(`prints ${level}s in lines of at most 100 columns`, async () => {
      const { stdout } = await runCli([...byUid(), '--level', level], { env: env() });
      for (const line of stdout.split('\n')) expect(line.length).to.be.at.most(100);
      expect(stdout).to.contain(
        study.series[0]!.instances[0]!.sopInstanceUid.slice(0, level === 'image' ? 99 : 9),
      );
    });

  for (const node of ['raw', 'anon'] as const)
    it(`looks in ${node}`, async () => {
      const args = [...byUid(), '--node', node, '--json'];
      const nothing = await runCli(args, { env: env() });
      expect(nothing.code).to.equal(3);
      await lab[node].load(study.files);
      const found = await runCli(args, { env: env() });
      expect(found.code).to.equal(0);
      expect(found.json()).to.have.length(1);
      expect((found.json() as object[])[0]).to.include({ study_uid: study.studyInstanceUid, images: 5 });
    });

  it('ends with 1 when the node refuses the query', async () => {
    const archive = await startScriptedArchive({ studies: [], quirks: { find: { refuse: 0xa700 } } });
    const { code, stderr } = await runCli(byUid(), { env: nodesEnv({ primary: archive }) });
    await archive.close();
    expect(code).to.equal(1);
    expect(stderr).to.match(/^error: ARCHIVE.*C-FIND.*A700/i);
  });
});

import { expect } from 'chai';
import { nodesEnv, runCli, type CliResult } from '../../support/cli.js';
import { makeStudy, UID_ROOT, type MadeStudy } from '../../support/dicom-files.js';
import { sharedLab, type Lab } from '../../support/lab.js';
import { refuseWhen, startOrthanc } from '../../support/orthanc.js';
import { startScriptedArchive, type ArchiveQuirks } from '../../support/scripted-archive.js';
import { startScriptedPeer } from '../../support/scripted-peer.js';
import { answerStores } from '../../support/scripted-scp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { NO_STUDY } from '../../support/canary.js';

const PULL_ROOT = `${UID_ROOT}.7102`;

interface Pulled {
  readonly outcome: string;
  readonly archive: string;
  readonly reason: string | null;
  readonly studies: readonly {
    readonly study_uid: string;
    readonly images: Readonly<Record<string, number>>;
    readonly excluded: Readonly<Record<string, number>>;
    readonly missing_uids: readonly string[];
    readonly refused_uids: readonly string[];
    readonly bytes_delivered: number;
    readonly duration_ms: number;
  }[];
}

/** The document that `--json` prints, with the names that the contract has and no others. */
function pulled({ json, stdout, stderr }: CliResult): Pulled {
  expect(stdout, stderr).not.to.equal('');
  const document = json() as Pulled;
  expect(document).to.have.all.keys('outcome', 'archive', 'reason', 'studies');
  for (const study of document.studies) {
    expect(study).to.have.all.keys(
      ...['study_uid', 'images', 'excluded', 'missing_uids', 'refused_uids'],
      ...['bytes_delivered', 'duration_ms'],
    );
    expect(study.images).to.have.all.keys('expected', 'already_in_raw', 'retrieved', 'delivered');
    expect(study.duration_ms).to.be.a('number').at.least(1);
  }
  return document;
}

describe('pixl-imaging pull', () => {
  let lab: Lab;
  let dir: TempDir;
  let inVna: MadeStudy;
  let inPacs: MadeStudy;
  const env = (): Record<string, string> =>
    nodesEnv({ primary: lab.vna, secondary: lab.pacs, raw: lab.raw, anon: lab.anon });
  const pull = (study: MadeStudy, ...more: string[]): string[] => [
    ...['pull', '--study-uid', study.studyInstanceUid, '--json'],
    ...more,
  ];

  before(async function () {
    lab = await sharedLab();
    dir = tempDir('pull');
    inVna = await makeStudy(dir.path, {
      uidRoot: PULL_ROOT,
      study: 1,
      series: [{ instances: 3 }, { instances: 2 }, { instances: 1 }],
    });
    inPacs = await makeStudy(dir.path, {
      uidRoot: PULL_ROOT,
      study: 2,
      mrn: 'CANARYM-PULL',
      accession: 'CANARYA-PULL',
    });
    await lab.vna.load(inVna.files);
    await lab.pacs.load(inPacs.files);
  });
  after(() => dir.remove());
  beforeEach(() => lab.reset());

  it('delivers a study, says so in JSON, and finds it in raw the second time', async () => {
    const first = await runCli(pull(inVna), { env: env() });
    expect(first.code, first.stderr).to.equal(0);
    expect(first.stderr).to.equal('');
    const document = pulled(first);
    expect(document).to.include({ outcome: 'delivered', archive: 'primary', reason: null });
    expect(document.studies).to.have.length(1);
    expect(document.studies[0]).to.deep.include({
      study_uid: inVna.studyInstanceUid,
      images: { expected: 6, already_in_raw: 0, retrieved: 6, delivered: 6 },
      missing_uids: [],
      refused_uids: [],
    });
    expect(document.studies[0]!.bytes_delivered).to.be.above(6 * 64 * 64 * 2);
    expect(await lab.anon.sopInstanceUids()).to.deep.equal([...inVna.sopInstanceUids].sort());

    const second = await runCli(pull(inVna), { env: env() });
    expect(second.code).to.equal(0);
    expect(pulled(second).studies[0]?.images).to.deep.equal({
      expected: 6,
      already_in_raw: 6,
      retrieved: 0,
      delivered: 6,
    });
    expect(lab.vna.movedInstances()).to.equal(6);
  });

  it('finds by MRN and accession number, and asks the secondary for what the primary does not have', async () => {
    const args = ['pull', '--mrn', inPacs.mrn, '--accession', inPacs.accession, '--json'];
    const result = await runCli(args, { env: env() });
    expect(result.code).to.equal(0);
    const document = pulled(result);
    expect(document).to.include({ outcome: 'delivered', archive: 'secondary', reason: null });
    expect(document.studies[0]?.study_uid).to.equal(inPacs.studyInstanceUid);
    expect(result.stderr + result.stdout).not.to.match(/CANARYM-PULL|CANARYA-PULL/);
  });

  it('looks only in the archive that is named, and ends with 3 when it is not there', async () => {
    const primary = await runCli(pull(inPacs, '--archive', 'primary'), { env: env() });
    expect(primary.code).to.equal(3);
    expect(pulled(primary)).to.include({ outcome: 'missing', archive: 'primary' });
    expect(pulled(primary).reason).to.be.a('string').and.not.to.equal('');
    expect(lab.pacs.requests('C-FIND')).to.have.length(0);
    const secondary = await runCli(pull(inPacs, '--archive', 'secondary'), { env: env() });
    expect(secondary.code).to.equal(0);
    expect(pulled(secondary)).to.include({ outcome: 'delivered', archive: 'secondary' });
    expect(lab.vna.movedInstances()).to.equal(0);
  });

  it('ends with 3 at once when there is no secondary to ask', async () => {
    const only = nodesEnv({ primary: lab.vna, raw: lab.raw, anon: lab.anon });
    const result = await runCli(pull(inPacs), { env: only });
    expect(result.code).to.equal(3);
    expect(pulled(result)).to.include({ outcome: 'missing', archive: 'primary' });
  });

  const [first, third] = [`${PULL_ROOT}.1.1`, `${PULL_ROOT}.1.3`];
  for (const [how, args] of [
    ['each in an option of its own', ['--series-uid', first, '--series-uid', third]],
    ['together in one option', ['--series-uid', first, third]],
    ['joined by a backslash', ['--series-uid', `${first}\\${third}`]],
    ['one of them twice', ['--series-uid', first, '--series-uid', `${third}\\${first}`]],
  ] as const)
    it(`takes only the series that are named (${how})`, async () => {
      const result = await runCli(pull(inVna, ...args), { env: env() });
      expect(result.code).to.equal(0);
      expect(pulled(result).studies[0]?.images).to.include({ expected: 4, retrieved: 4, delivered: 4 });
      const wanted = [0, 2].flatMap((index) => inVna.series[index]!.instances);
      expect(await lab.anon.sopInstanceUids()).to.deep.equal(wanted.map((one) => one.sopInstanceUid).sort());
    });

  it('leaves the study in raw with --no-deliver, and needs no anonymising store then', async () => {
    const without = nodesEnv({ primary: lab.vna, raw: lab.raw });
    const result = await runCli(pull(inVna, '--no-deliver'), { env: without });
    expect(result.code, result.stderr).to.equal(0);
    expect(pulled(result)).to.include({ outcome: 'retrieved', reason: null });
    expect(pulled(result).studies[0]?.images).to.include({ retrieved: 6, delivered: 0 });
    expect((await lab.raw.statistics()).instances).to.equal(6);
    expect((await lab.anon.statistics()).instances).to.equal(0);
  });

  it('puts the project into every delivered instance, and leaves raw as it is', async () => {
    const result = await runCli(pull(inVna, '--project', 'Project Ä-1'), { env: env() });
    expect(result.code, result.stdout).to.equal(0);
    const delivered = await lab.anon.instances();
    expect(delivered).to.have.length(6);
    for (const { id } of delivered) {
      expect((await lab.anon.rawTag(id, '000d-0010')).trim()).to.equal('UCLH PIXL');
      expect((await lab.anon.rawTag(id, '000d-1001')).trim()).to.equal('Project Ä-1');
    }
    for (const { id } of await lab.raw.instances())
      expect(Object.keys(await lab.raw.tags(id))).not.to.include('000d,1001');
    const inRaw = (await lab.raw.instances())[0]!;
    expect(await lab.raw.rawTag(inRaw.id, '000d-1001').catch(() => 'none')).to.equal('none');
  });

  it('puts no project into them when none is named, or the variable says so', async () => {
    await runCli(pull(inPacs), { env: env() });
    const [one] = await lab.anon.instances();
    expect(await lab.anon.rawTag(one!.id, '000d-1001').catch(() => 'none')).to.equal('none');
    await lab.reset();
    const off = { ...env(), PIXL_ANON_PROJECT_TAG: 'false' };
    expect((await runCli(pull(inPacs, '--project', 'P'), { env: off })).code).to.equal(0);
    const [other] = await lab.anon.instances();
    expect(await lab.anon.rawTag(other!.id, '000d-1001').catch(() => 'none')).to.equal('none');
  });

  it('prints a summary for people, and no progress where standard error is no terminal', async () => {
    const { code, stdout, stderr } = await runCli(['pull', '--study-uid', inVna.studyInstanceUid], {
      env: env(),
    });
    expect(code).to.equal(0);
    expect(stderr).to.equal('');
    const [outcome, heading, row] = stdout.trimEnd().split('\n');
    expect(outcome).to.equal('delivered (primary archive VNA)');
    expect(heading).to.match(/^study +expected +already in raw +retrieved +delivered +bytes +seconds$/);
    expect(row).to.match(/^1\.2\.826\S+ +6 +0 +6 +6 +[\d.]+ kB +[\d.]+$/);
  });

  it('shows a progress bar on a terminal, and the result alone on standard output', async () => {
    const result = await runCli(pull(inVna), { env: env(), tty: true });
    expect(result.code).to.equal(0);
    expect(result.stderr).to.match(/comparing +\[.+\] 0\/6 images/);
    expect(result.stderr).to.match(/retrieving +\[.+\] 6\/6 images/);
    expect(result.stderr).to.match(/delivering +\[.+\] 6\/6 images/);
    expect(pulled(result)).to.include({ outcome: 'delivered' });
  });

  it('counts what anon leaves out by a rule, which is no failure, also when it is all of it', async () => {
    for (const most of [1, 6]) {
      let count = 0;
      const anon = await startScriptedPeer((peer) =>
        answerStores(peer, () => ((count += 1) > most ? 0 : [0xcde1, 'excluded: modality SR'])),
      );
      try {
        const nodes = nodesEnv({
          primary: lab.vna,
          raw: lab.raw,
          anon: { aeTitle: 'ANON', port: anon.port },
        });
        const result = await runCli(pull(inVna), { env: { ...nodes, PIXL_MAX_ASSOCIATIONS_ANON: '1' } });
        expect(result.code, result.stderr).to.equal(0);
        const document = pulled(result);
        expect(document).to.include({ outcome: most === 6 ? 'excluded' : 'delivered', reason: null });
        const [study] = document.studies;
        expect(study!.excluded).to.deep.equal({ 'modality SR': most });
        expect(study!.images).to.include({ expected: 6, delivered: 6 - most });
        count = 0;
        const shown = await runCli(
          pull(inVna).filter((arg) => arg !== '--json'),
          { env: nodes },
        );
        expect(shown.code, shown.stderr).to.equal(0);
        expect(shown.stdout).to.contain(`excluded: ${most} by the rule: modality SR`);
      } finally {
        await anon.close();
      }
    }
  });

  describe('in trouble', () => {
    const quick = { PIXL_RETRIEVE_ATTEMPTS: '2', PIXL_QUERY_TIMEOUT: '3' };

    async function fromScripted(quirks: ArchiveQuirks, ...more: string[]): Promise<CliResult> {
      const archive = await startScriptedArchive({
        aeTitle: 'QUIRKY',
        studies: [inVna],
        destinations: [lab.raw],
        quirks,
      });
      try {
        const nodes = nodesEnv({ primary: archive, raw: lab.raw, anon: lab.anon });
        return await runCli(pull(inVna, ...more), { env: { ...nodes, ...quick } });
      } finally {
        await archive.close();
      }
    }

    it('ends with 4 when the archive sends fewer than it lists, names what is missing, delivers nothing', async () => {
      const never = [inVna.sopInstanceUids[1]!, inVna.sopInstanceUids[4]!];
      const result = await fromScripted({
        move: { send: (all) => all.filter((one) => !never.includes(one.sopInstanceUid)) },
      });
      expect(result.code, result.stdout).to.equal(4);
      const document = pulled(result);
      expect(document).to.include({ outcome: 'incomplete', archive: 'primary' });
      expect(document.reason).to.match(/2 instances/);
      expect(document.studies[0]?.missing_uids).to.have.members(never);
      expect(document.studies[0]?.images).to.deep.equal({
        ...{ expected: 6, already_in_raw: 0, retrieved: 4, delivered: 0 },
      });
      expect((await lab.anon.statistics()).instances).to.equal(0);
    });

    it('ends with 4 when a series that was asked for is not listed', async () => {
      const result = await runCli(pull(inVna, '--series-uid', first, NO_STUDY), { env: env() });
      expect(result.code).to.equal(4);
      expect(pulled(result)).to.include({ outcome: 'incomplete' });
      expect(pulled(result).reason).to.match(/does not list 1 of the series/);
    });

    it('ends with 4 when anon refuses an instance, and names it', async () => {
      const anon = await startOrthanc({
        aeTitle: 'REFUSING',
        lua: refuseWhen(`dicom.SOPInstanceUID == '${inPacs.sopInstanceUids[1]!}'`),
      });
      try {
        const nodes = nodesEnv({ primary: lab.pacs, raw: lab.raw, anon });
        const result = await runCli(pull(inPacs), { env: nodes });
        expect(result.code, result.stdout).to.equal(4);
        expect(pulled(result)).to.include({ outcome: 'incomplete' });
        expect(pulled(result).reason).to.match(/1 instances were not delivered.*0xA700/);
        expect(pulled(result).studies[0]?.images).to.include({ expected: 3, delivered: 2 });
        expect(pulled(result).studies[0]?.missing_uids).to.deep.equal([]);
        expect(pulled(result).studies[0]?.refused_uids).to.deep.equal([inPacs.sopInstanceUids[1]!]);
        expect(result.stderr).to.equal('');
        const people = await runCli(['pull', '--study-uid', inPacs.studyInstanceUid], { env: nodes });
        expect(people.stdout).to.contain(`not delivered: ${inPacs.sopInstanceUids[1]!}: `);
      } finally {
        await anon.close();
      }
    });

    it('ends with 1 when the archive does not know where to send, and names what is missing', async () => {
      const result = await fromScripted({ move: { refuse: 0xa801 } });
      expect(result.code).to.equal(1);
      expect(pulled(result)).to.include({ outcome: 'failed' });
      expect(pulled(result).reason).to.match(/C-MOVE.*A801/i);
      expect(pulled(result).studies[0]?.missing_uids).to.have.members([...inVna.sopInstanceUids]);
    });

    it('ends with 1 when raw, or anon, is down', async () => {
      const rawDown = { ...env(), ORTHANC_RAW_DICOM_PORT: `${lab.dead.port}` };
      const raw = await runCli(pull(inVna), { env: rawDown });
      expect(raw.code).to.equal(1);
      expect(pulled(raw).reason).to.match(/ORTHANC_RAW.*ECONNREFUSED/);
      const anonDown = { ...env(), ORTHANC_ANON_DICOM_PORT: `${lab.dead.port}` };
      const anon = await runCli(pull(inVna), { env: anonDown });
      expect(anon.code).to.equal(1);
      expect(pulled(anon)).to.include({ outcome: 'failed' });
      expect(pulled(anon).reason).to.match(/ORTHANC_ANON.*ECONNREFUSED/);
      expect(pulled(anon).studies[0]?.images).to.include({ retrieved: 6, delivered: 0 });
    });
  });
});

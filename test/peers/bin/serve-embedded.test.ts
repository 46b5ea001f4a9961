import { expect } from 'chai';
import { Random } from '../../fuzz/random.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readSecret } from '../../../bin/deidentify-key.js';
import { OWN_KEY_FILE } from '../../../bin/embedded-stores.js';
import { slugify } from '../../../src/core/slug/slug.js';
import { ProjectPseudonyms } from '../../../src/deidentify/index.js';
import { everythingIn } from '../../anon/anon-fixture.js';
import { expectNoCanary } from '../../support/canary.js';
import { sharedProftpd, type Proftpd } from '../../support/proftpd.js';
import { nodesEnv, runCli, startCli, type CliResult } from '../../support/cli.js';
import { startDaemon, type Daemon } from '../../support/daemon.js';
import { echoscu, findscu, storescu } from '../../support/dcmtk.js';
import { startDcmqrscp, type Dcmqrscp } from '../../support/dcmqrscp.js';
import { makeStudy, UID_ROOT, type MadeStudy } from '../../support/dicom-files.js';
import { makeEmbeddedFolder } from '../../support/embedded.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/ports.js';
import { tempDir, withTempDir, type TempDir } from '../../support/temp-dir.js';

const PROJECT = 'Embedded';
const NOBODY = {
  ...{
    seriesInstanceUid: '',
    sopInstanceUid: '',
    sopClassUid: '',
    modality: '',
    manufacturer: '',
    project: '',
  },
  ...{ names: [], numbers: [], birthDates: [] },
};
const STUDIES = 20;

interface ReportRow {
  readonly accession_number: string;
  readonly archive: string;
  readonly outcome: string;
  readonly images: { readonly delivered: number };
}

describe('pixl-imaging serve --embedded', function () {
  let files: TempDir;
  let archives: { readonly primary: Dcmqrscp; readonly secondary: Dcmqrscp };
  let ports: { readonly raw: number; readonly anon: number; readonly api: number };
  const studies: MadeStudy[] = [];

  before('start two archives, with studies', async function () {
    files = tempDir('embedded-studies');
    ports = { raw: await freePort(), anon: await freePort(), api: await freePort() };
    const peers = [{ aeTitle: 'PIXL_RAW', port: ports.raw }];
    archives = {
      primary: await startDcmqrscp({ aeTitle: 'VNA', peers }),
      secondary: await startDcmqrscp({ aeTitle: 'PACS', peers }),
    };
    for (let n = 1; n <= STUDIES; n += 1)
      studies.push(
        await makeStudy(files.path, {
          ...{ study: n, uidRoot: `${UID_ROOT}.8800`, instances: 3 },
          ...{ mrn: `CANARYM-E-${n}`, accession: `CANARYA-E-${n}` },
        }),
      );
    await archives.primary.load(studies.slice(1).flatMap((study) => study.files));
    await archives.secondary.load(studies.slice(0, 1).flatMap((study) => study.files));
  });

  after('end the archives', async () => {
    await archives.primary.close();
    await archives.secondary.close();
    files.remove();
  });

  const environment = (folder: string): Record<string, string> => ({
    ...nodesEnv(archives),
    ORTHANC_RAW_DICOM_PORT: `${ports.raw}`,
    ORTHANC_ANON_DICOM_PORT: `${ports.anon}`,
    PIXL_IMAGING_API_PORT: `${ports.api}`,
    PIXL_EMBEDDED_DIR: folder,
  });

  const report = async (env: Record<string, string>): Promise<ReportRow[]> => {
    const result = await runCli(['report', '--embedded', '--json'], { env });
    expect(result.code, result.stderr).to.equal(0);
    return result.json() as ReportRow[];
  };

  /** Who stands for a study's UIDs, by the key that the daemon has made in its folder. */
  const pseudonymOf = (
    { mrn, accession, studyInstanceUid, sopInstanceUids }: MadeStudy,
    env: Record<string, string>,
  ): { readonly study: string; readonly images: readonly string[] } => {
    const secret = readSecret(join(env['PIXL_EMBEDDED_DIR']!, OWN_KEY_FILE));
    const pseudonyms = new ProjectPseudonyms(secret, slugify(PROJECT), 365);
    const pseudonym = pseudonyms.of({
      ...NOBODY,
      patientId: mrn,
      accessionNumber: accession,
      studyInstanceUid,
    });
    const uid = (original: string): string => pseudonym.uid(original);
    return { study: uid(studyInstanceUid), images: sopInstanceUids.map(uid).sort() };
  };

  /** The images that anon answers with, asked for by a study's UID. */
  const heldByAnon = async (env: Record<string, string>, studyUid: string): Promise<string[]> => {
    const anon = { ORTHANC_ANON_AE_TITLE: 'PIXL_ANON', ORTHANC_ANON_DICOM_HOST: '127.0.0.1' };
    const args = ['find', '--node', 'anon', '--study-uid', studyUid, '--level', 'image', '--json'];
    const found: CliResult = await runCli(args, { env: { ...env, ...anon } });
    return (found.json() as { sop_instance_uid: string }[]).map((row) => row.sop_instance_uid).sort();
  };

  /** Anon knows the study by its pseudonyms alone, and nothing of it is in anon's folder. */
  async function expectDeidentified(env: Record<string, string>, study: MadeStudy): Promise<void> {
    const pseudonym = pseudonymOf(study, env);
    expect(await heldByAnon(env, pseudonym.study)).to.deep.equal(pseudonym.images);
    expect(await heldByAnon(env, study.studyInstanceUid)).to.deep.equal([]);
    expectNoCanary(everythingIn(join(env['PIXL_EMBEDDED_DIR']!, 'anon')), 'the folder of anon');
  }

  /** The archives send to raw and see nothing; in anon there are none but we. */
  async function expectArchivesToSendAndNothingElse(study: MadeStudy): Promise<void> {
    const raw = { aeTitle: 'PIXL_RAW', host: '127.0.0.1', port: ports.raw };
    const anon = { aeTitle: 'PIXL_ANON', host: '127.0.0.1', port: ports.anon };
    const everything = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '', PatientID: '' };
    for (const store of [raw, anon]) {
      await echoscu(store, 'PIXL');
      const stranger = await echoscu(store, 'STRANGER').catch((error: unknown) => error);
      expect(String(stranger)).to.contain('Calling AE Title Not Recognized');
    }
    for (const archive of ['VNA', 'PACS']) {
      await echoscu(raw, archive);
      await storescu(raw, study.files, { calling: archive });
      const asked = await findscu(raw, everything, { args: ['-aet', archive] }).catch(
        (error: unknown) => error,
      );
      expect(String(asked))
        .to.match(/No (Acceptable )?Presentation Context/i)
        .and.not.contain(study.mrn);
      const stored = await storescu(anon, study.files, { calling: archive, allowFailure: true });
      expect(stored.stdout + stored.stderr).to.contain('Calling AE Title Not Recognized');
    }
    const ours = await storescu(raw, study.files, { calling: 'PIXL', allowFailure: true });
    expect(ours.stdout + ours.stderr, 'we store nothing to raw').to.contain(
      'No Acceptable Presentation Contexts',
    );
  }

  /** By themselves over FTPS to the safe haven, each once, under the UIDs that the archives do not know. */
  async function expectExported(
    env: Record<string, string>,
    haven: Proftpd,
    wanted: readonly MadeStudy[],
  ): Promise<void> {
    const names = wanted.map((study) => `${slugify(PROJECT)}/${pseudonymOf(study, env).study}.zip`).sort();
    await eventually(() => expect(haven.files()).to.deep.equal(names), { timeoutMs: 60_000 });
    expectNoCanary(everythingIn(haven.home), 'the safe haven');
    const again = ['upload-study', '--embedded', '--study-uid', wanted[0]!.studyInstanceUid];
    const { code, stderr } = await runCli([...again, '--project', PROJECT], { env });
    expect([code, stderr]).to.deep.equal([1, 'error: the study has been exported already\n']);
  }

  const row = (study: MadeStudy): string =>
    `1,${study.mrn},${study.accession},${PROJECT},2023-12-07T14:08:58Z,2024-01-01,${study.studyInstanceUid},1`;
  const cohort = (folder: string, wanted: readonly MadeStudy[]): string => {
    const path = join(folder, 'cohort.csv');
    const head =
      'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';
    writeFileSync(path, [head, ...wanted.map(row), ''].join('\n'));
    return path;
  };

  it('does the whole job on nothing but a folder, which another daemon is kept out of and other commands reach', async function () {
    await withTempDir(async (dir) => {
      const folder = join(dir, 'pixl-data');
      const haven = await sharedProftpd();
      await haven.reset();
      const env = { ...environment(folder), ...haven.env('implicit') };
      const wanted = studies.slice(0, 3);
      // Before there is a daemon: the folder is made, and the messages wait in it.
      const populated = await runCli(
        ['populate', cohort(dir, wanted), '--embedded', '--no-start', '--json'],
        { env },
      );
      expect(populated.code, populated.stderr).to.equal(0);
      expect(populated.json()).to.deep.include({ published: 3 });

      const daemon = await startDaemon(env, ['--embedded']);
      // It waits 20 s for the first one to end: meanwhile the job is done.
      const second = startCli(['serve', '--embedded'], { env });
      try {
        await ended(ports.api, { delivered: 3 });
        for (const study of wanted) await expectDeidentified(env, study);
        const archived = Object.fromEntries(
          (await report(env)).map((one) => [one.accession_number, one.archive]),
        );
        expect(archived).to.deep.equal({
          'CANARYA-E-1': 'secondary',
          'CANARYA-E-2': 'primary',
          'CANARYA-E-3': 'primary',
        });

        await expectArchivesToSendAndNothingElse(wanted[0]!);
        await expectExported(env, haven, wanted);

        // While the daemon runs: to its queue, by its socket.
        const [missing] = [
          { ...studies[0]!, mrn: 'CANARYM', accession: 'CANARYA', studyInstanceUid: `${UID_ROOT}.8800.999` },
        ];
        const more = await runCli(
          ['populate', cohort(dir, [missing]), '--embedded', '--no-start', '--json'],
          { env },
        );
        expect(more.json()).to.deep.include({ published: 1 });
        await ended(ports.api, { delivered: 3, missing: 1 });
        const retried = await runCli(['retry', '--embedded', '--reason', 'missing', '--json'], {
          env,
        });
        expect(retried.json()).to.deep.include({ moved: 1 });
        const { code, stderr } = await second.ended;
        expect(code).to.equal(1);
        expect(stderr).to.contain('another process has').and.contain('open');
      } finally {
        second.kill('SIGKILL');
        await daemon.close();
        await second.ended;
      }
      expect(await report(env), 'without a daemon').to.have.length(4);
    });
  });

  it('loses no accepted message over kill -9 at twenty random points', async function () {
    const SEED = 31_337;
    const random = new Random(SEED);
    await withTempDir(async (folder) => {
      await makeEmbeddedFolder(folder);
      const env = environment(folder);
      let daemon: Daemon | undefined;
      try {
        for (const [round, study] of studies.entries()) {
          if (daemon === undefined) daemon = await startDaemon(env, ['--embedded']);
          else await daemon.start();
          await post(ports.api, study);
          // From "just accepted" to "most likely delivered".
          await sleep(random.between(0, round % 2 === 0 ? 100 : 1_200));
          await daemon.kill();
        }
        await daemon?.start();
        const expected = studies.map(({ accession }) => `${accession} delivered 3`).sort();
        await ended(ports.api, { delivered: STUDIES });
        const told = (await report(env)).map(
          (one) => `${one.accession_number} ${one.outcome} ${one.images.delivered}`,
        );
        expect(told.sort(), `seed ${SEED}`).to.deep.equal(expected);
        for (const study of [studies[0]!, studies[STUDIES - 1]!]) await expectDeidentified(env, study);
      } finally {
        await daemon?.close();
      }
    });
  });
});

/** Waits until so many messages have ended so. */
async function ended(port: number, outcomes: Readonly<Record<string, number>>): Promise<void> {
  await eventually(
    async () => {
      const response = await fetch(`http://127.0.0.1:${port}/status`);
      expect(((await response.json()) as { outcomes: object }).outcomes).to.deep.include(outcomes);
    },
    { timeoutMs: 90_000, everyMs: 100 },
  );
}

/** Asks the daemon for a study; resolves when it has taken the message. */
async function post(port: number, study: MadeStudy): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ mrn: study.mrn, accession_number: study.accession, study_uid: study.studyInstanceUid },
      ...{ study_date: '2024-01-01', procedure_occurrence_id: 1, project_name: PROJECT },
      extract_generated_timestamp: '2023-12-07T14:08:58Z',
    }),
  });
  expect(response.status).to.equal(202);
}

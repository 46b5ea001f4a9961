import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Header } from '../../../src/queue/index.js';
import { ask, errorOf, type Ask } from '../../api/api-fixture.js';
import { CANARY, findCanary, NO_STUDY } from '../../support/canary.js';
import { nodesEnv, runCli } from '../../support/cli.js';
import { startDaemon, type Daemon } from '../../support/daemon.js';
import type { DaemonQueues } from '../../support/daemon-queues.js';
import { embeddedQueues } from '../../support/embedded-queues.js';
import { eventually } from '../../support/eventually.js';
import { freePorts } from '../../support/ports.js';
import { makeStudy, UID_ROOT } from '../../support/dicom-files.js';
import { startScriptedArchive, type ScriptedArchive } from '../../support/scripted-archive.js';
import { tempDir, withTempDir, type TempDir } from '../../support/temp-dir.js';

const TOKEN = `${CANARY}-token`;
const IDENTIFIERS = { mrn: `${CANARY}M`, accession_number: `${CANARY}A`, study_uid: NO_STUDY };
const MESSAGE = {
  ...IDENTIFIERS,
  study_date: '2024-01-01',
  procedure_occurrence_id: 1,
  project_name: 'Canaries',
  extract_generated_timestamp: '2023-12-07T14:08:58Z',
};
const HEADING =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';

/** Every other test has its daemons and commands searched for canaries, too: support/canary.ts. */
describe('Identifiers and secrets, at LOG_LEVEL=debug', function () {
  let folder: TempDir;
  let archive: ScriptedArchive;
  let queues: DaemonQueues;
  let url: string;
  let environment: Record<string, string>;
  beforeEach(async () => {
    folder = tempDir('canaries');
    queues = await embeddedQueues();
    const [api, raw, anon] = (await freePorts(3)) as [number, number, number];
    archive = await startScriptedArchive({
      aeTitle: 'VNA',
      studies: [await makeStudy(folder.path, { study: 404, uidRoot: `${UID_ROOT}.404` })],
      destinations: [{ aeTitle: 'PIXL_RAW', host: '127.0.0.1', port: raw }],
    });
    url = `http://127.0.0.1:${api}`;
    environment = {
      ...nodesEnv({ primary: archive }),
      ...queues.environment,
      ORTHANC_RAW_DICOM_PORT: `${raw}`,
      ORTHANC_ANON_DICOM_PORT: `${anon}`,
      PIXL_IMAGING_API_PORT: `${api}`,
      PIXL_API_TOKEN: TOKEN,
      PIXL_PRIMARY_QUEUE: `${api}-primary`,
      PIXL_FAILED_QUEUE: `${api}-failed`,
    };
  });
  afterEach(async () => {
    await archive.close();
    await queues.close([]);
    folder.remove();
  });

  const authorized: Ask['headers'] = { authorization: `Bearer ${TOKEN}` };
  const post = (path: string, body: unknown): Ask & { readonly path: string } => ({
    ...{ path, body, headers: authorized },
  });
  const ended = async (daemon: Daemon, outcome: string): Promise<void> => {
    await eventually(() =>
      expect(daemon.lines().filter((line) => line['outcome'] === outcome)).to.have.length.above(0),
    );
  };

  it('are found where they are shown: a daemon with PIXL_LOG_IDENTIFIERS=plain fails its test', async () => {
    const daemon = await startDaemon({ ...environment, PIXL_LOG_IDENTIFIERS: 'plain' }, queues.options);
    let log: string;
    let failure: unknown;
    try {
      const answer = await ask(`${url}/messages`, post('/messages', MESSAGE));
      expect(answer.status).to.equal(202);
      await ended(daemon, 'delivered');
      log = daemon.log();
    } finally {
      failure = await daemon.close().catch((error: unknown) => error);
    }
    expect(findCanary(log)).to.match(/^plain: /);
    expect(log).to.contain(NO_STUDY).and.not.to.contain(CANARY);
    expect(String(failure)).to.match(/^Error: the daemon shows an identifier or a secret/);
  });

  it('are in no answer, log line or header of requests and messages that are refused', async () => {
    const wildCard = { ...MESSAGE, mrn: `${CANARY}*` };
    const bad: readonly (readonly [number, Ask & { readonly path: string }])[] = [
      [422, post('/messages', [MESSAGE, wildCard])],
      [422, post('/messages', { ...MESSAGE, [`${CANARY}-field`]: CANARY, study_date: CANARY })],
      [400, post('/messages', Buffer.from(`{"mrn": "${CANARY}`))],
      [400, post('/messages', Buffer.from(`{"${CANARY}": 1, "${CANARY}": 2}`))],
      [400, post(`/messages?${CANARY}=${CANARY}`, MESSAGE)],
      [413, post('/token-bucket-refresh-rate', { rate: 1, note: CANARY.repeat(4_000) })],
      [422, post('/token-bucket-refresh-rate', { rate: 1, [CANARY]: CANARY })],
      [404, post('/token-bucket-refresh-rate', { rate: 1, queue: CANARY })],
      [404, post(`/${CANARY}/${NO_STUDY}`, MESSAGE)],
      [404, post('/export-dicom', { study_uid: NO_STUDY, project_name: CANARY })],
      [422, post('/export-dicom', { study_uid: `${NO_STUDY}.*`, project_name: `../${CANARY}` })],
      [404, post('/export-patient-data', { project_name: CANARY, extract_datetime: '2023-12-07T14:08:58' })],
      [415, { ...post('/messages', MESSAGE), headers: { ...authorized, 'content-type': `text/${CANARY}` } }],
      [401, { path: '/status', headers: { authorization: `Bearer ${CANARY}-wrong` } }],
      [400, { path: `/%zz${CANARY}`, headers: authorized }],
      [431, { path: '/status', headers: { ...authorized, 'x-patient': CANARY.repeat(4_000) } }],
    ];
    const haven = { FTP_HOST: '127.0.0.1', FTP_PORT: '1', FTP_USER_NAME: 'u', FTP_USER_PASSWORD: CANARY };
    const daemon = await startDaemon({ ...environment, ...haven }, queues.options);
    try {
      for (const [status, { path, ...asked }] of bad) {
        const answer = await ask(url + path, asked);
        expect([path, answer.status, findCanary(answer.text)]).to.deep.equal([path, status, null]);
        expect(errorOf(answer).code).to.be.a('string');
      }
      const unreadable = [Buffer.from(`{"mrn": "${CANARY}`), Buffer.from(JSON.stringify(wildCard))];
      await queues.publish(environment['PIXL_PRIMARY_QUEUE']!, unreadable, {});
      const parked = await eventually(async () => {
        const failed = environment['PIXL_FAILED_QUEUE']!;
        expect(await queues.depths([failed])).to.deep.equal([2]);
        return queues.drain(failed);
      });
      for (const { content, properties } of parked) {
        expect(content.toString()).to.contain(CANARY);
        expect(properties.headers).to.include({ [Header.code]: 'MESSAGE_REJECTED' });
      }
      await ended(daemon, 'rejected');
    } finally {
      await daemon.close();
    }
  });

  it('are in no complaint about a cohort, whatever column of whatever row is wrong', async () => {
    await withTempDir(async (folder) => {
      const path = join(folder, 'cohort.csv');
      const good = [1, `${CANARY}M`, `${CANARY}A`, 'P', '2023-12-07T14:08:58', '2020-01-01', NO_STUDY, 'p'];
      const wrong = [`${CANARY}-1`, `${CANARY}*`, `${CANARY}\\A`, '', CANARY, CANARY, `${NO_STUDY}.*`];
      const rows = wrong.map((value, column) => good.with(column, value).join(','));
      writeFileSync(path, [HEADING, ...rows, good.join(',')].join('\n'));
      const refused = await runCli(['populate', path, '--dry-run']);
      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(/line 2, column procedure_id/);
      const skipped = await runCli(['populate', path, '--dry-run', '--skip-bad-rows', '--json']);
      expect(skipped.stderr).to.match(/^bad: cohort\.csv, line 2, /m);
      for (const broken of [
        `${HEADING}\n1,"${CANARY}\n`,
        `${HEADING.replace('mrn', CANARY)}\n${good.join(',')}\n`,
      ]) {
        writeFileSync(path, broken);
        expect((await runCli(['populate', path, '--dry-run'])).code).to.equal(1);
      }
    }, 'canaries');
  });

  it('are in nothing that a command tells of the configuration, right or wrong', async () => {
    const [, ...dead] = await freePorts(6);
    const secrets = {
      RABBITMQ_PASSWORD: `${CANARY}-broker`,
      PIXL_DB_PASSWORD: `${CANARY}-database`,
      FTP_USER_PASSWORD: `${CANARY}-haven`,
      PIXL_API_TOKEN: TOKEN,
      PIXL_RATE_REDIS_URL: `rediss://${CANARY}:${CANARY}@127.0.0.1:${dead[0]}/0`,
    };
    const addresses = {
      ...nodesEnv({ primary: archive, raw: archive, anon: archive }),
      ...{ RABBITMQ_HOST: '127.0.0.1', RABBITMQ_PORT: `${dead[1]}`, PIXL_DB_HOST: '127.0.0.1' },
      ...{ PIXL_DB_PORT: `${dead[2]}`, FTP_HOST: '127.0.0.1', FTP_PORT: `${dead[3]}`, FTP_USER_NAME: 'u' },
      PIXL_IMAGING_API_PORT: `${dead[4]}`,
    };
    await withTempDir(async (cwd) => {
      writeFileSync(join(cwd, 'sample'), `PIXL_API_TOKEN=${TOKEN}\nPIXL_OTHER=${CANARY}\n`);
      writeFileSync(join(cwd, '.env'), `RABBITMQ_PASSWORD=${CANARY}\nno assignment ${CANARY}\n=${CANARY}\n`);
      const checked = await runCli(['check-env', '--sample-env-file', 'sample', '--json'], { cwd });
      expect(checked.json()).to.deep.equal({ missing: ['PIXL_API_TOKEN', 'PIXL_OTHER'], from_pixl: [] });
      const env = { ...addresses, ...secrets };
      for (const json of [[], ['--json']]) {
        const { code, stdout } = await runCli(['doctor', ...json], { cwd, env });
        expect([code, stdout.includes('PIXL_RATE_REDIS_URL')]).to.deep.equal([1, true]);
      }
      const wrong = {
        PIXL_RATE_REDIS_URL: `https://${CANARY}@redis`,
        PIXL_API_TOKEN: `${CANARY} token`,
        RABBITMQ_HOST: `u:${CANARY}@broker`,
      };
      for (const command of ['serve', 'doctor', 'retry']) {
        const { code, stderr, stdout } = await runCli([command], { env: { ...env, ...wrong } });
        expect(code).to.equal(2);
        expect(stderr + stdout).to.contain('RABBITMQ_HOST');
      }
    }, 'canaries');
  });
});

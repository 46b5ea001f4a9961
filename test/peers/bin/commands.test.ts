import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Status } from '../../../src/api/index.js';
import { addImages, findOrCreateExtract, Ledger, migrateUp } from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { declareQueue } from '../../../src/queue/index.js';
import { fakeServices, useApi } from '../../api/api-fixture.js';
import { brokerEnv, nodesEnv, runCli, startCli } from '../../support/cli.js';
import {
  makeDeidentifiedStudy,
  makeStudy,
  UID_ROOT,
  type DeidentifiedStudy,
  type MadeStudy,
} from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { sharedLab, type Lab } from '../../support/lab.js';
import { deliveredEntry, messageNumbered } from '../../support/outcome-entries.js';
import { fixture } from '../../support/fixtures.js';
import { freePort } from '../../support/ports.js';
import { databaseEnv, sharedPostgres, type DatabaseAddress } from '../../support/postgres.js';
import { sharedProftpd, type Proftpd } from '../../support/proftpd.js';
import { MOVES, startScriptedArchive, type ScriptedArchive } from '../../support/scripted-archive.js';
import { orNull, shapeFaults, type Shape } from '../../support/shape.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { withDatabaseAt } from '../db/fixture.js';
import { useBroker } from '../queue/broker-fixture.js';
import { NO_STUDY } from '../../support/canary.js';

type Code = 0 | 1 | 2 | 3 | 4;

/** A call of the program, in the environment of a sound deployment but for `env`. */
interface Call {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What is done before it runs. */
  readonly first?: () => Promise<void>;
  /** What is done from outside while it runs. */
  readonly meanwhile?: (running: ReturnType<typeof startCli>) => Promise<void>;
}

interface Command {
  /** Its `--json`, by a call that gives one of everything; null = it prints no results. */
  readonly json: { readonly call: () => Call; readonly shape: Shape } | null;
  /** A call for each exit code that it has besides that of `json`, which is 0 unless the call is here too. */
  readonly ends: Partial<Readonly<Record<Code, () => Call>>>;
}

const WORDS: Readonly<Record<Code, string>> = {
  0: 'done',
  1: 'failed',
  2: 'wrong usage or configuration',
  3: 'not found',
  4: 'incomplete',
};

const IMAGES: Shape = {
  keys: { expected: 'number', already_in_raw: 'number', retrieved: 'number', delivered: 'number' },
};
const RATE: Shape = { anyOf: ['number', 'string'] };
const RATES_SET: Shape = { listOf: { keys: { queue: orNull('string'), rate: RATE } } };
const TEXTS: Shape = { listOf: 'string' };
const ANY_TEXTS: Shape = { anyNumberOf: 'string' };

const PROJECT: Shape = {
  keys: {
    ok: 'boolean',
    name: 'string',
    modalities: TEXTS,
    min_instances_per_series: 'number',
    series_filters: ANY_TEXTS,
    allowed_manufacturers: {
      listOf: { keys: { regex: 'string', exclude_series_numbers: { anyNumberOf: 'number' } } },
    },
    deidentify: {
      keys: {
        ...{ profile: 'string', options: ANY_TEXTS, allow_sop_classes: ANY_TEXTS },
        ...{ blanked_outside_ultrasound_regions: 'boolean', blanked_rectangles_of: ANY_TEXTS },
      },
    },
    destination: { keys: { dicom: 'string', parquet: 'string' } },
    attributes: {
      listOf: {
        keys: {
          tag: 'string',
          name: 'string',
          operation: 'string',
          manufacturer: orNull('string'),
          more_than_the_standard: 'boolean',
        },
      },
    },
  },
};

const HEADING =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';

const status: Status = {
  queues: [
    {
      ...{ name: 'imaging-primary', depth: 7, consumers: 1, state: 'running', reason: null },
      ...{ rate: 5, in_flight: 2 },
    },
  ],
  studies: [
    {
      ...{ study: '0123456789ab', archive: 'primary', step: 'retrieve' },
      ...{ images_done: 5, images_expected: 100 },
    },
  ],
  outcomes: { delivered: 12, missing: 1 },
};

describe('Every command', function () {
  const broker = useBroker();
  const api = useApi();
  let lab: Lab;
  let files: TempDir;
  let study: MadeStudy;
  let liar: ScriptedArchive;
  let deidentified: DeidentifiedStudy;
  let haven: Proftpd;
  let books: DatabaseAddress;
  let empty: DatabaseAddress;
  let cohort: string;
  let daemonPort: string;
  let sound: Record<string, string>;

  before(async () => {
    lab = await sharedLab();
    haven = await sharedProftpd();
    files = tempDir('commands');
    study = await makeStudy(files.path, {
      ...{ uidRoot: `${UID_ROOT}.7502`, study: 1, mrn: 'CANARYM-CMD', accession: 'CANARYA-CMD' },
    });
    deidentified = await makeDeidentifiedStudy(join(files.path, 'anon'), { study: 7503 });
    await lab.vna.load(study.folder);
    const postgres = await sharedPostgres();
    [books, empty] = [await postgres.createDatabase(), await postgres.createDatabase()];
    await withDatabaseAt(books, async (database) => {
      await migrateUp(database, silentLogger);
      await new Ledger(database).record(deliveredEntry(messageNumbered(1)));
    });
    cohort = join(files.path, 'cohort.csv');
    const row = (accession: string): string =>
      `1,CANARYM-CMD,${accession},P,2023-12-07T14:08:58,2023-04-05,,p`;
    writeFileSync(cohort, `${[HEADING, row('CANARYA-CMD'), row('CANARYA-NOWHERE')].join('\n')}\n`);
    writeFileSync(join(files.path, 'lost.csv'), `${[HEADING, row('CANARYA-NOWHERE')].join('\n')}\n`);
    writeFileSync(join(files.path, 'handler.mjs'), "export const handler = () => ({ kind: 'done' });\n");
    writeFileSync(join(files.path, 'sample'), 'NOBODY_SETS_THIS=1\n');
  });
  after(() => files.remove());

  beforeEach(async () => {
    await lab.reset();
    liar = await startScriptedArchive({
      ...{ aeTitle: 'LIAR', studies: [study], destinations: [lab.raw] },
      quirks: { move: MOVES.successWithNothingSent },
    });
    const { url } = await api.start({ services: fakeServices({ status: () => Promise.resolve(status) }) });
    daemonPort = new URL(url).port;
    sound = {
      ...nodesEnv({ primary: lab.vna, raw: lab.raw, anon: lab.anon }),
      ...brokerEnv(broker.rabbitmq),
      ...databaseEnv(books),
      PIXL_PRIMARY_QUEUE: broker.queue(),
      PIXL_SECONDARY_QUEUE: broker.queue(),
      PIXL_FAILED_QUEUE: broker.queue(),
      PIXL_IMAGING_API_PORT: daemonPort,
      CLI_RETRY_SECONDS: '0.1',
    };
  });
  afterEach(() => liar.close());

  const down = (): string => String(lab.dead.port);
  const byUid = (): string[] => ['--study-uid', study.studyInstanceUid];
  const deidentifiedUid = (): string[] => ['--study-uid', deidentified.studyInstanceUid];
  const NOWHERE = ['--study-uid', NO_STUDY];
  const archiveDown = (): Record<string, string> => ({ PRIMARY_DICOM_SOURCE_PORT: down() });
  const databaseDown = (): Record<string, string> => ({ PIXL_DB_PORT: down() });
  const badValue = { LOG_LEVEL: 'loud' };
  const exportEnv = (): Record<string, string> => ({
    ...haven.env('implicit'),
    HOST_EXPORT_ROOT_DIR: join(files.path, 'exports'),
  });

  /** Of a command that talks to the daemon, with the ends that all of them have. */
  const overHttp = (args: readonly string[], shape: Shape): Command => ({
    json: { call: () => ({ args }), shape },
    ends: {
      1: () => ({ args, env: { PIXL_IMAGING_API_PORT: down() } }),
      2: () => ({ args, env: badValue }),
      3: () => ({ args: [...args, '--queues', 'nope'] }),
    },
  });

  /** The specification's table of commands; the program's own list must be the same. */
  const COMMANDS: Readonly<Record<string, Command>> = {
    serve: {
      json: null,
      ends: {
        0: () => ({
          args: ['serve'],
          env: { PIXL_IMAGING_API_PORT: freeApiPort },
          meanwhile: async (running) => {
            await eventually(() => expect(running.stderr()).to.contain('"msg":"ready"'));
            running.kill('SIGTERM');
          },
        }),
        1: () => ({ args: ['serve'] }), // the port is the other daemon's
        2: () => ({ args: ['serve'], env: { ORTHANC_RAW_AE_TITLE: '' } }),
      },
    },
    start: overHttp(['start'], RATES_SET),
    update: overHttp(['update', '--rate', '2.5'], RATES_SET),
    stop: overHttp(['stop'], {
      keys: {
        stopped: { listOf: orNull('string') },
        purged: { anyNumberOf: { keys: { queue: 'string', purged: 'number' } } },
      },
    }),
    status: overHttp(['status'], {
      keys: {
        queues: {
          listOf: {
            keys: {
              ...{ name: 'string', depth: orNull('number'), consumers: orNull('number'), state: 'string' },
              ...{ reason: orNull('string'), rate: RATE, in_flight: 'number' },
            },
          },
        },
        studies: {
          listOf: {
            keys: {
              ...{ study: 'string', archive: 'string', step: 'string' },
              ...{ images_done: 'number', images_expected: 'number' },
            },
          },
        },
        outcomes: { mapOf: 'number' },
      },
    }),
    populate: {
      json: {
        call: () => ({ args: ['populate', cohort, '--no-start'] }),
        shape: {
          keys: {
            ...{
              rows: 'number',
              left_out: 'number',
              opted_out: 'number',
              duplicates: 'number',
              bad_rows: 'number',
              messages: 'number',
            },
            projects: { listOf: { keys: { project_name: 'string', messages: 'number' } } },
            ...{ published: 'number', already_exported: orNull('number'), done_before: orNull('number') },
            exported: orNull('number'),
          },
        },
      },
      ends: {
        1: () => ({ args: ['populate', cohort, '--no-start'], env: databaseDown() }),
        2: () => ({ args: ['populate', cohort, '--priority', '6'] }),
        3: () => ({ args: ['populate', cohort, '--queues', 'nope'] }),
        4: () => ({
          args: ['populate', cohort, '--num-retries', '1'],
          meanwhile: async () => {
            const queue = sound['PIXL_PRIMARY_QUEUE']!;
            await eventually(async () => expect(await broker.depth(queue)).to.equal(2));
            await broker.drain(queue);
          },
        }),
      },
    },
    estimate: {
      json: {
        call: () => ({ args: ['estimate', cohort] }),
        shape: {
          keys: {
            ...{
              messages: 'number',
              found: 'number',
              not_found: 'number',
              studies: 'number',
              images: 'number',
            },
            ...{ rate: RATE, unit: 'string', seconds: orNull('number') },
          },
        },
      },
      ends: {
        1: () => ({ args: ['estimate', cohort], env: archiveDown() }),
        2: () => ({ args: ['estimate', cohort, '--rate', '0'] }),
        3: () => ({ args: ['estimate', join(files.path, 'lost.csv')] }),
      },
    },
    pull: {
      json: {
        call: () => ({ args: ['pull', ...byUid(), '--project', 'P'] }),
        shape: {
          keys: {
            ...{ outcome: 'string', archive: 'string', reason: orNull('string') },
            studies: {
              listOf: {
                keys: {
                  ...{
                    study_uid: 'string',
                    images: IMAGES,
                    missing_uids: ANY_TEXTS,
                    refused_uids: ANY_TEXTS,
                    excluded: { mapOf: 'number' },
                  },
                  ...{ bytes_delivered: 'number', duration_ms: 'number' },
                },
              },
            },
          },
        },
      },
      ends: {
        1: () => ({ args: ['pull', ...byUid()], env: archiveDown() }),
        2: () => ({ args: ['pull', '--study-uid', '1.*'] }),
        3: () => ({ args: ['pull', ...NOWHERE] }),
        4: () => ({
          args: ['pull', ...byUid()],
          env: { ...nodesEnv({ primary: liar }), PIXL_RETRIEVE_ATTEMPTS: '1' },
        }),
      },
    },
    find: {
      json: {
        call: () => ({ args: ['find', ...byUid()] }),
        shape: {
          listOf: {
            keys: {
              ...{ study_uid: 'string', mrn: 'string', accession_number: 'string', study_date: 'string' },
              ...{ modality: 'string', images: 'number' },
            },
          },
        },
      },
      ends: {
        1: () => ({ args: ['find', ...byUid()], env: archiveDown() }),
        2: () => ({ args: ['find'] }),
        3: () => ({ args: ['find', ...NOWHERE] }),
      },
    },
    echo: {
      json: {
        call: () => ({ args: ['echo'] }),
        shape: {
          listOf: { keys: { node: 'string', ok: 'boolean', ms: orNull('number'), error: orNull('string') } },
        },
      },
      ends: {
        1: () => ({ args: ['echo'], env: archiveDown() }),
        2: () => ({ args: ['echo', 'nobody'] }),
      },
    },
    doctor: {
      json: {
        // The lab's anon keeps what it gets, which is no sound deployment.
        call: () => ({ args: ['doctor'], env: { ORTHANC_AUTOROUTE_RAW_TO_ANON: 'false' } }),
        shape: {
          listOf: { keys: { check: 'string', ok: 'boolean', detail: 'string', mend: orNull('string') } },
        },
      },
      ends: {
        1: () => ({ args: ['doctor'], env: archiveDown() }),
        2: () => ({ args: ['doctor'], env: badValue }),
      },
    },
    report: {
      json: {
        call: () => ({ args: ['report'] }),
        shape: {
          listOf: {
            keys: {
              ...{ project_name: 'string', mrn: 'string', accession_number: 'string', study_uid: 'string' },
              ...{ archive: 'string', outcome: 'string', reason: orNull('string'), images: IMAGES },
              ...{ attempts: 'number', received_at: 'string', finished_at: 'string' },
              // Beyond the specification's, behind them.
              ...{ code: orNull('string'), series_uid: orNull('string'), study_date: 'string' },
              ...{ procedure_occurrence_id: 'number', missing_uids: ANY_TEXTS },
              ...{ refused: ANY_TEXTS, bytes_delivered: 'number', duration_ms: 'number' },
              ...{ excluded: { mapOf: 'number' }, excluded_instances: ANY_TEXTS },
              ...{ remarks: ANY_TEXTS, warnings: 'number' },
            },
          },
        },
      },
      ends: {
        1: () => ({ args: ['report'], env: databaseDown() }),
        2: () => ({ args: ['report', '--json', '--csv'] }),
      },
    },
    retry: {
      json: {
        call: () => ({ args: ['retry'] }),
        shape: { keys: { moved: 'number', left: 'number', by_queue: { mapOf: 'number' } } },
      },
      ends: {
        1: () => ({ args: ['retry'], env: { RABBITMQ_PASSWORD: 'CANARY-wrong' } }),
        2: () => ({ args: ['retry', '--limit', '0'] }),
      },
    },
    failed: {
      json: {
        call: () => ({ args: ['failed', 'list'], first: inFailed }),
        shape: {
          listOf: {
            keys: {
              ...{ project_name: orNull('string'), outcome: orNull('string'), code: orNull('string') },
              ...{ reason: orNull('string'), messages: 'number' },
              ...{ first_failed_at: orNull('string'), last_failed_at: orNull('string') },
            },
          },
        },
      },
      ends: {
        1: () => ({ args: ['failed', 'list'], env: { RABBITMQ_PASSWORD: 'CANARY-wrong' } }),
        2: () => ({ args: ['failed', 'purge'] }), // nobody can be asked
      },
    },
    'upload-study': {
      json: {
        call: () => ({
          args: ['upload-study', ...deidentifiedUid(), '--project', 'P'],
          env: haven.env('implicit'),
          first: inAnonAndProject,
        }),
        shape: {
          keys: { project: 'string', study_uid: 'string', path: 'string', images: 'number', bytes: 'number' },
        },
      },
      ends: {
        1: () => ({
          args: ['upload-study', ...deidentifiedUid(), '--project', 'P'],
          env: { ...haven.env('implicit'), FTP_USER_PASSWORD: 'CANARY-wrong' },
          first: inAnonAndProject,
        }),
        2: () => ({ args: ['upload-study', ...deidentifiedUid(), '--project', 'P'] }), // there is no safe haven
        3: () => ({ args: ['upload-study', ...NOWHERE, '--project', 'P'], env: haven.env('implicit') }),
      },
    },
    'export-patient-data': {
      json: {
        call: () => ({ args: ['export-patient-data', fixture('omop')], env: exportEnv() }),
        shape: {
          keys: {
            ...{ project: 'string', extract: 'string', bytes: 'number', left_out: ANY_TEXTS },
            linker: { keys: { procedures: 'number', linked: 'number', opted_out: 'number', rows: 'number' } },
            files: { listOf: { keys: { path: 'string', bytes: 'number' } } },
          },
        },
      },
      ends: {
        1: () => ({
          args: ['export-patient-data', fixture('omop')],
          env: { ...exportEnv(), FTP_USER_PASSWORD: 'CANARY-wrong' },
        }),
        2: () => ({ args: ['export-patient-data', fixture('omop')] }), // there is no safe haven
      },
    },
    consume: {
      json: null,
      ends: {
        0: () => ({
          args: ['consume', '--queue', broker.queue(), '--handler', join(files.path, 'handler.mjs')],
          meanwhile: async (running) => {
            await eventually(() => expect(running.stderr()).to.contain('"msg":"ready"'));
            running.kill('SIGTERM');
          },
        }),
        2: () => ({ args: ['consume', '--queue', 'ehr', '--handler', join(files.path, 'nowhere.mjs')] }),
      },
    },
    demo: { json: null, ends: { 2: () => ({ args: ['demo', '--dir'] }) } }, // the others: demo.test.ts
    migrate: {
      json: {
        call: () => ({ args: ['migrate'], env: databaseEnv(empty) }),
        shape: {
          keys: {
            ...{ action: 'string', changed: TEXTS, applied: TEXTS, pending: ANY_TEXTS },
            cohort_tables: orNull('string'),
          },
        },
      },
      ends: {
        1: () => ({ args: ['migrate'], env: databaseDown() }),
        2: () => ({ args: ['migrate', 'sideways'] }),
      },
    },
    node: {
      json: {
        call: () => ({
          args: ['node', '--aet', 'NODE', '--port', '0', '--dir', join(files.path, 'node')],
          meanwhile: async (running) => {
            await eventually(() => expect(running.stdout()).to.match(/^}$/m));
            running.kill('SIGTERM');
          },
        }),
        shape: { keys: { aet: 'string', host: 'string', port: 'number', dir: 'string', images: 'number' } },
      },
      ends: {
        1: () => ({ args: ['node', '--aet', 'NODE', '--port', '0', '--dir', cohort] }), // a file
        2: () => ({ args: ['node', '--aet', 'NODE', '--port', 'x', '--dir', join(files.path, 'node')] }),
      },
    },
    'check-env': {
      json: {
        call: () => ({ args: ['check-env', '--sample-env-file', join(files.path, 'sample')] }),
        shape: { keys: { missing: TEXTS, from_pixl: ANY_TEXTS } },
      },
      ends: {
        1: () => ({ args: ['check-env', '--error', '--sample-env-file', join(files.path, 'sample')] }),
        2: () => ({ args: ['check-env', '--sample-env-file', join(files.path, 'nowhere')] }),
      },
    },
    deidentify: {
      json: {
        call: () => deidentify(deidentified.folder),
        shape: {
          keys: {
            written: 'number',
            excluded: { mapOf: 'number' },
            unreadable: 'number',
            residuals: { mapOf: 'number' },
          },
        },
      },
      ends: {
        2: () => ({ args: ['deidentify', deidentified.folder, join(files.path, 'out')] }), // no key
        3: () => deidentify(join(files.path, 'sample')),
      },
    },
    'check-project': {
      json: {
        call: () => ({ args: ['check-project', fixture('pixl-projects/test-external-user.yaml')] }),
        shape: PROJECT,
      },
      ends: { 2: () => ({ args: ['check-project', fixture('pixl-projects/template_config.yaml')] }) },
    },
    'opt-out': { json: null, ends: { 2: () => ({ args: ['opt-out', 'hash'] }) } }, // no key
  };

  function deidentify(input: string): Call {
    const key = join(files.path, 'key');
    writeFileSync(key, 'k'.repeat(32), { mode: 0o600 });
    return { args: ['deidentify', input, join(files.path, 'deidentified'), '--key-file', key] };
  }

  const inAnonAndProject = async (): Promise<void> => {
    await lab.anon.load(deidentified.files);
    await withDatabaseAt(books, async (database) => {
      await database.query('TRUNCATE pixl_pipeline.extract CASCADE');
      const { mrn, accession: accessionNumber, studyInstanceUid: studyUid } = deidentified.original;
      const image = { mrn, accessionNumber, studyUid, studyDate: '2023-04-05', pseudoPatientId: null };
      await addImages(database, await findOrCreateExtract(database, 'p'), [image]);
      await database.query('UPDATE pixl_pipeline.image SET pseudo_study_uid = $1', [
        deidentified.studyInstanceUid,
      ]);
    });
  };

  let freeApiPort: string;
  beforeEach(async () => {
    freeApiPort = String(await freePort());
  });

  async function run({
    args,
    env = {},
    first,
    meanwhile,
  }: Call): Promise<Awaited<ReturnType<typeof runCli>>> {
    await first?.();
    const running = startCli(args, { env: { ...sound, ...env } });
    await meanwhile?.(running);
    return running.ended;
  }

  async function inFailed(): Promise<void> {
    const queue = sound['PIXL_FAILED_QUEUE'] ?? 'imaging-failed';
    await declareQueue(await broker.connection(), queue);
    await (await broker.publisher()).publish(queue, Buffer.from('no message'));
  }

  it('is in this table', async () => {
    const { stdout } = await runCli(['--help']);
    const list = /^Commands:\n((?: {2}.*\n)+)/m.exec(stdout)?.[1] ?? '';
    const names = [...list.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name]) => name!);
    expect(names.filter((name) => name !== 'help')).to.have.members(Object.keys(COMMANDS));
  });

  for (const [name, { json, ends }] of Object.entries(COMMANDS)) {
    if (json === null)
      it(`${name} prints no results, so it has no --json`, async () => {
        expect((await runCli([name, '--help'])).stdout).not.to.contain('--json');
      });
    else
      it(`${name} --json prints one document of the specified shape, and ends with 0`, async () => {
        const call = json.call();
        const { code, stderr, json: parsed } = await run({ ...call, args: [...call.args, '--json'] });
        expect(code, stderr).to.equal(0);
        expect(shapeFaults(parsed(), json.shape)).to.deep.equal([]);
      });

    for (const [code, call] of Object.entries(ends))
      it(`${name} ends with ${code}: ${WORDS[code as unknown as Code]}`, async () => {
        const { code: ended, stdout, stderr } = await run(call());
        expect(ended, `${stdout}\n${stderr}`).to.equal(Number(code));
        if (ended !== 0) expect(stdout + stderr, 'it says why').not.to.equal('');
        expect(stderr).not.to.match(/^ +at /m);
      });
  }
});

import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { deploy, wishFor } from '../../test/peers/journeys/deployment.js';
import { startDcmqrscp, type Dcmqrscp } from '../../test/support/dcmqrscp.js';
import type { NodeAddress } from '../../test/support/dcmtk.js';
import { makeStudy, type MadeStudy, type StudyOptions } from '../../test/support/dicom-files.js';
import { startOrthanc, type Orthanc } from '../../test/support/orthanc.js';
import { freePorts } from '../../test/support/ports.js';
import { rabbitmqQueues } from '../../test/support/rabbitmq-queues.js';
import { sharedRabbitmq } from '../../test/support/rabbitmq.js';
import { tempDir } from '../../test/support/temp-dir.js';
import type { Report, Side } from '../measure.js';
import { AS_THEY_COME, findscu, getscu, loadSlowly, movescu, storescu } from '../tools.js';
import { LARGE } from './delivery.js';

/** An archive and two stores, as they come. */
export interface Site {
  readonly vna: Dcmqrscp;
  readonly raw: Orthanc;
  readonly anon: Orthanc;
  close(): Promise<void>;
}

export async function startSite(): Promise<Site> {
  const [vnaPort = 0, rawPort = 0, anonPort = 0] = await freePorts(3);
  const modalities = [
    { aeTitle: 'VNA', port: vnaPort },
    { aeTitle: 'RAW', port: rawPort },
    { aeTitle: 'ANON', port: anonPort },
  ];
  const [vna, raw, anon] = await Promise.all([
    startDcmqrscp({ aeTitle: 'VNA', port: vnaPort, peers: modalities.slice(1) }),
    startOrthanc({ aeTitle: 'RAW', port: rawPort, modalities }),
    startOrthanc({ aeTitle: 'ANON', port: anonPort, modalities }),
  ]);
  const close = async (): Promise<void> => {
    await Promise.all([vna, raw, anon].map((one) => one.close()));
  };
  return { vna, raw, anon, close };
}

export async function loaded(archive: NodeAddress, options: StudyOptions): Promise<MadeStudy> {
  const files = tempDir('bench-study');
  const study = await makeStudy(files.path, options);
  await loadSlowly(archive, study.files);
  files.remove();
  return study;
}

/** A job of Orthanc's is looked at every so often by who waits for it. */
const POLL_MS = 10_000;

/** Query, asynchronous retrieve, look every 10 s whether it is done, store: what a poll-driven service does over REST. */
async function pollDriven({ raw }: Site, study: MadeStudy): Promise<void> {
  const query = { Level: 'Study', Query: { StudyInstanceUID: study.studyInstanceUid } };
  const { ID: found } = (await raw.post('/modalities/VNA/query', query)) as { ID: string };
  const { ID: job } = (await raw.post(`/queries/${found}/retrieve`, {
    TargetAet: 'RAW',
    Synchronous: false,
  })) as { ID: string };
  for (;;) {
    await sleep(POLL_MS);
    const { State: state } = (await raw.get(`/jobs/${job}`)) as { State: string };
    if (state === 'Failure') throw new Error('the retrieve job has failed');
    if (state === 'Success') break;
  }
  await raw.storeTo('ANON', (await raw.get('/studies')) as string[]);
}

/** findscu, movescu, getscu, storescu, one after the other. */
async function script({ vna, raw, anon }: Site, { studyInstanceUid }: MadeStudy): Promise<void> {
  const env = AS_THEY_COME;
  const keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: studyInstanceUid };
  if ((await findscu(vna, keys, env)) !== 1) throw new Error('findscu: not one study');
  await movescu(vna, 'RAW', studyInstanceUid, env);
  const folder = tempDir('bench-get');
  try {
    await getscu(raw, folder.path, studyInstanceUid, env);
    await storescu(anon, folder.path, env);
  } finally {
    folder.remove();
  }
}

/** From the message's publication to the study's delivery, at unlimited rate. */
export async function journeyPart(report: Report): Promise<void> {
  const site = await startSite();
  const { vna, raw, anon } = site;
  const rabbitmq = await sharedRabbitmq();
  const deployments = await Promise.all(
    [2, 4].map((associations) =>
      deploy({ primary: vna, secondary: null, raw, anon }, rabbitmqQueues(rabbitmq), {
        PIXL_MAX_ASSOCIATIONS: `${associations}`,
      }),
    ),
  );
  const { username, password, host, port } = rabbitmq;
  const connection = await connect(`amqp://${username}:${password}@${host}:${port}`, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  try {
    for (const [images, rounds] of [
      [5, 5],
      [100, 3],
      [200, 3],
    ] as const) {
      const study = await loaded(vna, { study: images, instances: images, rows: 512, cols: 512 });
      const steps: Pick<Side, 'prepare' | 'check'> = {
        prepare: async () => {
          await Promise.all([raw.deleteAll(), anon.deleteAll()]);
        },
        check: async () => {
          const { instances } = await anon.statistics();
          if (instances !== images) throw new Error(`${instances} of ${images} arrived`);
        },
      };
      const sides: Side[] = [
        ...deployments.map((deployment, index): Side => ({
          name: index === 0 ? 'pixl-imaging' : 'pixl-imaging, PIXL_MAX_ASSOCIATIONS=4',
          ...steps,
          process: () => Promise.resolve(deployment.daemon.pid),
          run: async () => {
            const message = Buffer.from(JSON.stringify(wishFor(study)));
            channel.sendToQueue(deployment.queues.primary, message, { persistent: true });
            const [line] = await deployment.ended(1);
            if (line?.['outcome'] !== 'delivered') throw new Error(JSON.stringify(line));
          },
        })),
        { name: 'poll-driven REST', ...steps, run: () => pollDriven(site, study) },
        { name: 'findscu, movescu, getscu, storescu', ...steps, run: () => script(site, study) },
      ];
      const bytes = images * 524_288;
      await report.measure({ name: `message to delivered, ${images} images`, bytes, sides }, rounds);
    }
  } finally {
    await connection.close();
    await Promise.all(deployments.map((one) => one.close()));
    await site.close();
  }
}

/** C-MOVE at unlimited rate over so many associations to the archive: many studies, not delivered. */
export async function movesPart(report: Report): Promise<void> {
  const site = await startSite();
  const { vna, raw, anon } = site;
  const rabbitmq = await sharedRabbitmq();
  const sides: Side[] = [];
  const deployments: { close(): Promise<void> }[] = [];
  const [studies, images] = [20, 20];
  try {
    const made: MadeStudy[] = [];
    for (let study = 1; study <= studies; study += 1)
      made.push(await loaded(vna, { study, instances: images, rows: 128, cols: 128 }));
    for (const associations of [1, 2]) {
      const deployment = await deploy(
        { primary: vna, secondary: null, raw, anon },
        rabbitmqQueues(rabbitmq),
        {
          PIXL_MAX_ASSOCIATIONS: `${associations}`,
          ORTHANC_AUTOROUTE_RAW_TO_ANON: 'false',
        },
      );
      deployments.push(deployment);
      sides.push({
        name: `PIXL_MAX_ASSOCIATIONS=${associations}`,
        process: () => Promise.resolve(deployment.daemon.pid),
        prepare: () => raw.deleteAll(),
        run: async () => {
          await deployment.publish(made.map((study) => wishFor(study)));
          await deployment.ended(studies);
        },
        check: async () => {
          const { instances } = await raw.statistics();
          if (instances !== studies * images) throw new Error(`${instances} arrived`);
        },
      });
    }
    await report.measure({ name: `C-MOVE of ${studies} studies of ${images} images`, sides });
  } finally {
    await Promise.all(deployments.map((one) => one.close()));
    await site.close();
  }
}

/** One instance of 1 GiB through a daemon: what it holds above what it holds idle. dcmqrscp takes none of that size. */
export async function memoryPart(report: Report): Promise<void> {
  const site = await startSite();
  const { raw, anon } = site;
  const modalities = [{ aeTitle: 'RAW', port: raw.port }];
  const archive = await startOrthanc({ aeTitle: 'ARCHIVE', modalities });
  const rabbitmq = await sharedRabbitmq();
  const nodes = { primary: archive, secondary: null, raw, anon };
  const deployment = await deploy(nodes, rabbitmqQueues(rabbitmq));
  try {
    const study = await loaded(archive, { study: 1, ...LARGE.study });
    const { pid } = deployment.daemon;
    await report.measure({
      name: `message to delivered, ${LARGE.name}`,
      bytes: LARGE.bytesEach,
      sides: [
        {
          name: 'pixl-imaging',
          process: () => Promise.resolve(pid),
          prepare: async () => {
            await Promise.all([raw.deleteAll(), anon.deleteAll()]);
          },
          run: async () => {
            await deployment.publish([wishFor(study)]);
            const [line] = await deployment.ended(1);
            if (line?.['outcome'] !== 'delivered') throw new Error(JSON.stringify(line));
          },
        },
      ],
    });
  } finally {
    await deployment.close();
    await Promise.all([site, archive].map((one) => one.close()));
  }
}

import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConfirmChannel } from 'amqplib';
import { hashedNames } from '../src/core/log.js';
import type { Rate } from '../src/core/rate-limiter/index.js';
import { wishFor } from '../test/peers/journeys/deployment.js';
import { brokerEnv, nodesEnv } from '../test/support/cli.js';
import { startDaemon, type Daemon } from '../test/support/daemon.js';
import { startDcmqrscp, type Dcmqrscp } from '../test/support/dcmqrscp.js';
import { makeStudy, type MadeStudy } from '../test/support/dicom-files.js';
import { meanRate, worstWindow, type WorstWindow } from '../test/support/image-rate.js';
import { startOrthanc, type Orthanc } from '../test/support/orthanc.js';
import { freePorts } from '../test/support/ports.js';
import { run } from '../test/support/processes.js';
import { startRabbitmq, type Rabbitmq } from '../test/support/rabbitmq.js';
import { tempDir } from '../test/support/temp-dir.js';
import { publish } from './measure.js';

/** The lower bound: within so much of the rate. */
const WITHIN = 0.05;
const SETTLING_MS = 2_000;
/** The 44 ms per image on one association (Nagle's algorithm against delayed acknowledgements) is no rate of ours. */
const WITHOUT_NAGLE = { TCP_NODELAY: '1' };

interface Run {
  readonly work: string;
  readonly rate: Rate;
  readonly delivery: boolean;
  readonly peers: string;
  readonly images: number;
  readonly worst: WorstWindow | null;
  readonly perSecond: number;
  readonly overSeconds: number;
}

/** An archive with studies, and the stores that they go to. */
interface Site {
  readonly name: string;
  readonly vna: Dcmqrscp;
  readonly raw: Orthanc;
  readonly anon: Orthanc;
  readonly big: readonly MadeStudy[];
  readonly small: readonly MadeStudy[];
}

/** Prints a table, and writes it to bench/results/rate.{json,md}. @throws when the archive sent more than it may */
export async function benchImageRate(seconds: number): Promise<void> {
  const files = tempDir('bench-rate');
  const rabbitmq = await startRabbitmq();
  const sites: Site[] = [];
  const runs: Run[] = [];
  const add = (one: Run): void => {
    runs.push(one);
    process.stderr.write(`${row(one)}\n`);
  };
  try {
    const big = await makeStudies(files.path, 1, 5, 600);
    const small = await makeStudies(files.path, 100, 300, 1);
    // 600 and 100 are enough for a minute at 5 per second; loading an archive with Nagle's algorithm takes its time.
    const [stock, quick] = await Promise.all([
      openSite('as they come', {}, big.slice(0, 1), small.slice(0, 100)),
      openSite('TCP_NODELAY=1', WITHOUT_NAGLE, big, small),
    ]);
    sites.push(stock, quick);
    for (const one of await unlimited(quick, rabbitmq)) add(one);
    for (const rate of [5, 50, 200]) {
      const site = rate === 5 ? stock : quick;
      for (const [work, studies] of worksOf(site))
        add(await underRate({ site, rabbitmq, work, studies, rate, seconds, deliver: false }));
    }
    const [work, studies] = worksOf(quick)[2]!;
    add(await underRate({ site: quick, rabbitmq, work, studies, rate: 50, seconds, deliver: true }));
  } finally {
    await Promise.all([
      rabbitmq.stop(),
      ...sites.flatMap(({ vna, raw, anon }) => [vna.close(), raw.close(), anon.close()]),
    ]);
    files.remove();
    publish('rate', runs, table(runs));
  }
  const broken = runs.filter(({ worst }) => worst !== null && worst.images > worst.allowed);
  if (broken.length > 0) throw new Error(`above the rate:\n${broken.map(row).join('\n')}`);
}

async function makeStudies(
  folder: string,
  first: number,
  count: number,
  images: number,
): Promise<MadeStudy[]> {
  const studies: MadeStudy[] = [];
  for (let study = first; study < first + count; study += 1)
    studies.push(await makeStudy(`${folder}/${study}`, { study, instances: images }));
  return studies;
}

async function openSite(
  name: string,
  env: Readonly<Record<string, string>>,
  big: readonly MadeStudy[],
  small: readonly MadeStudy[],
): Promise<Site> {
  const [rawPort = 0, anonPort = 0] = await freePorts(2);
  // The disk is no part of what is measured.
  const config = { SyncStorageArea: false };
  const [vna, raw, anon] = await Promise.all([
    startDcmqrscp({ aeTitle: 'VNA', peers: [{ aeTitle: 'ORTHANC_RAW', port: rawPort }], env }),
    startOrthanc({ aeTitle: 'ORTHANC_RAW', port: rawPort, env, config }),
    startOrthanc({ aeTitle: 'ORTHANC_ANON', port: anonPort, env, config }),
  ]);
  // dcmsend opens few files of many folders at a time; the command line holds them all.
  await vna.load([...big, ...small].map(({ folder }) => folder));
  return { name, vna, raw, anon, big, small };
}

function worksOf({ big, small }: Site): [string, readonly MadeStudy[]][] {
  const mixed = big.flatMap((study, index) => {
    const share = Math.ceil(small.length / big.length);
    return [study, ...small.slice(index * share, (index + 1) * share)];
  });
  return [
    ['studies of 600 images', big],
    ['studies of 1 image', small],
    ['both at once', mixed],
  ];
}

/** What these peers can do on this machine. */
async function unlimited(site: Site, rabbitmq: Rabbitmq): Promise<Run[]> {
  const { vna, raw, big, small } = site;
  const base = { rate: 'unlimited', delivery: false, peers: site.name, worst: null } as const;
  const study = big[0]!;
  vna.clearLog();
  const startedAt = performance.now();
  const keys = ['-k', 'QueryRetrieveLevel=STUDY', '-k', `StudyInstanceUID=${study.studyInstanceUid}`];
  await run('movescu', ['-S', '-aec', 'VNA', '-aem', raw.aeTitle, ...keys, vna.host, `${vna.port}`]);
  const overSeconds = (performance.now() - startedAt) / 1000;
  const images = vna.movedInstances();
  const runs: Run[] = [
    { ...base, work: 'movescu, 600 images', images, perSecond: images / overSeconds, overSeconds },
  ];
  for (const [work, studies] of [
    ['studies of 600 images', big],
    ['studies of 1 image', small],
  ] as const) {
    const total = studies.reduce((sum, { instances }) => sum + instances.length, 0);
    const one = await moved({ site, rabbitmq, studies, rate: 'unlimited', deliver: false, until: total });
    const took = (Math.max(...one) - Math.min(...one)) / 1000;
    runs.push({ ...base, work, images: one.length, perSecond: one.length / took, overSeconds: took });
  }
  return runs;
}

async function underRate(options: {
  readonly site: Site;
  readonly rabbitmq: Rabbitmq;
  readonly work: string;
  readonly studies: readonly MadeStudy[];
  readonly rate: number;
  readonly seconds: number;
  readonly deliver: boolean;
}): Promise<Run> {
  const { site, work, rate, seconds, deliver } = options;
  const times = await moved({ ...options, until: seconds * 1000 + 2 * SETTLING_MS });
  return {
    work,
    rate,
    delivery: deliver,
    peers: site.name,
    images: times.length,
    worst: worstWindow(times, rate, Math.max(1, rate)),
    perSecond: meanRate(times, Math.min(...times) + SETTLING_MS, seconds),
    overSeconds: seconds,
  };
}

/**
 * Runs a daemon of its own on the studies, again and again.
 *
 * @param options.until unlimited: once over so many images; with a rate: ms from the first image on
 * @returns when the archive sent each image
 */
async function moved(options: {
  readonly site: Site;
  readonly rabbitmq: Rabbitmq;
  readonly studies: readonly MadeStudy[];
  readonly rate: Rate;
  readonly deliver: boolean;
  readonly until: number;
}): Promise<number[]> {
  const { site, rabbitmq, studies, rate, deliver, until } = options;
  const { vna, raw, anon } = site;
  await Promise.all([raw.deleteAll(), anon.deleteAll()]);
  vna.clearLog();
  const id = randomUUID().slice(0, 8);
  const queues = {
    PIXL_PRIMARY_QUEUE: `${id}-primary`,
    PIXL_SECONDARY_QUEUE: `${id}-secondary`,
    PIXL_FAILED_QUEUE: `${id}-failed`,
  };
  const daemon = await startDaemon({
    ...nodesEnv({ primary: vna, raw, anon }),
    ...brokerEnv(rabbitmq),
    ...queues,
    PIXL_IMAGING_API_RATE: `${rate}`,
    ORTHANC_AUTOROUTE_RAW_TO_ANON: `${deliver}`,
    PIXL_SHUTDOWN_GRACE: '0',
  });
  const model = await connect(`amqp://guest:guest@${rabbitmq.host}:${rabbitmq.port}`, { noDelay: true });
  try {
    const channel = await model.createConfirmChannel();
    await wish(channel, queues.PIXL_PRIMARY_QUEUE, studies);
    const again = new Again(daemon, studies);
    if (rate === 'unlimited') {
      while (vna.movedInstances() < until) await sleep(500);
    } else {
      while (vna.movedInstances() === 0) await sleep(100);
      const endAt = performance.now() + until;
      while (performance.now() < endAt) {
        await sleep(200);
        const ended = again.next();
        for (const study of ended) await raw.delete(`/studies/${orthancId(study)}`);
        await wish(channel, queues.PIXL_PRIMARY_QUEUE, ended);
      }
    }
  } finally {
    await daemon.stop();
    await daemon.close();
    const channel = await model.createChannel();
    for (const queue of Object.values(queues)) await channel.deleteQueue(queue);
    await model.close();
  }
  return vna.moved().map(({ at }) => at);
}

async function wish(channel: ConfirmChannel, queue: string, studies: readonly MadeStudy[]): Promise<void> {
  for (const study of studies)
    channel.sendToQueue(queue, Buffer.from(JSON.stringify(wishFor(study))), { persistent: true });
  await channel.waitForConfirms();
}

/** The studies that have come to an end, by the daemon's log. */
class Again {
  readonly #daemon: Daemon;
  readonly #byName: ReadonlyMap<string, MadeStudy>;
  #read = 0;

  constructor(daemon: Daemon, studies: readonly MadeStudy[]) {
    this.#daemon = daemon;
    this.#byName = new Map(studies.map((study) => [hashedNames(study.studyInstanceUid), study]));
  }

  next(): MadeStudy[] {
    const log = this.#daemon.log();
    const end = log.lastIndexOf('\n') + 1;
    const lines = log.slice(this.#read, end).split('\n');
    this.#read = end;
    return lines.flatMap((line) => {
      if (!line.includes('"msg":"study"')) return [];
      const study = this.#byName.get((JSON.parse(line) as { study: string }).study);
      return study === undefined ? [] : [study];
    });
  }
}

/** Orthanc's name of a study: the SHA-1 of patient ID and study UID, in five parts. */
function orthancId({ mrn, studyInstanceUid }: MadeStudy): string {
  const hash = createHash('sha1').update(`${mrn}|${studyInstanceUid}`).digest('hex');
  return hash.match(/.{8}/g)!.join('-');
}

function table(runs: readonly Run[]): string {
  return [
    '| work | rate | delivery | peers | images | worst window | allowed in it | mean | of the rate |',
    '| --- | ---: | --- | --- | ---: | --- | ---: | --- | --- |',
    ...runs.map(row),
  ].join('\n');
}

function row({ work, rate, delivery, peers, images, worst, perSecond, overSeconds }: Run): string {
  const share = rate === 'unlimited' ? null : perSecond / rate;
  const window =
    worst === null
      ? ['–', '–']
      : [`${worst.images} in ${worst.seconds.toFixed(2)} s`, worst.allowed.toFixed(1)];
  const verdict =
    share === null
      ? '–'
      : `${(100 * share).toFixed(1)} %${Math.abs(1 - share) <= WITHIN ? '' : ' (not reached)'}`;
  return `| ${[
    work,
    rate,
    delivery ? 'on' : 'off',
    peers,
    images,
    ...window,
    `${perSecond.toFixed(2)}/s over ${overSeconds.toFixed(1)} s`,
    verdict,
  ].join(' | ')} |`;
}

import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConfirmChannel } from 'amqplib';
import { studyInstanceUid as toStudyInstanceUid, type StudyInstanceUid } from '../../src/core/ids.js';
import { hashedNames } from '../../src/core/log.js';
import type { Rate } from '../../src/core/rate-limiter/index.js';
import {
  cMove,
  findInstances,
  findSeries,
  findStudies,
  NodeClient,
  type Association,
} from '../../src/dimse/index.js';
import { wishFor } from '../../test/peers/journeys/deployment.js';
import { brokerEnv, nodesEnv } from '../../test/support/cli.js';
import { startDaemon, type Daemon } from '../../test/support/daemon.js';
import { startDcmqrscp, type Dcmqrscp } from '../../test/support/dcmqrscp.js';
import { makeStudy, type MadeStudy } from '../../test/support/dicom-files.js';
import { meanRate, worstWindow, type WorstWindow } from '../../test/support/image-rate.js';
import { startOrthanc, type Orthanc } from '../../test/support/orthanc.js';
import { freePorts } from '../../test/support/ports.js';
import { run } from '../../test/support/processes.js';
import { startRabbitmq, type Rabbitmq } from '../../test/support/rabbitmq.js';
import { tempDir } from '../../test/support/temp-dir.js';
import { publish } from '../measure.js';

/** The lower bound: within so much of the rate. */
const WITHIN = 0.05;
const SETTLING_MS = 2_000;
const BIG = '600-image studies';
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

/** Two stores. */
interface Stores {
  readonly raw: Orthanc;
  readonly anon: Orthanc;
}

/** An archive with studies, and the stores that they go to. */
interface Site extends Stores {
  readonly work: string;
  readonly peers: string;
  readonly vna: Dcmqrscp;
  readonly studies: readonly MadeStudy[];
}

/** Images per second. */
export const RATES: readonly number[] = [5, 50, 200];

/**
 * Prints a table, and writes it to bench/results/rate.{json,md}, or for some of the rates alone to rate-50-200.{json,md}.
 *
 * @throws when the archive sent more than it may
 */
export async function benchImageRate(seconds: number, rates: readonly number[]): Promise<void> {
  const files = tempDir('bench-rate');
  const rabbitmq = await startRabbitmq();
  const opened: { close(): Promise<void> }[] = [rabbitmq].map((one) => ({ close: () => one.stop() }));
  const runs: Run[] = [];
  const add = (one: Run): void => {
    runs.push(one);
    process.stderr.write(`${row(one)}\n`);
  };
  const stores = async (env: Readonly<Record<string, string>>): Promise<Stores> => {
    const started = await startStores(env);
    opened.push(started.raw, started.anon);
    return started;
  };
  const site = async (
    work: string,
    studies: readonly MadeStudy[],
    to: Stores,
    env: Readonly<Record<string, string>>,
  ): Promise<Site> => {
    const peers = [{ aeTitle: to.raw.aeTitle, port: to.raw.port }];
    const vna = await startDcmqrscp({ aeTitle: 'VNA', peers, env });
    opened.push(vna);
    // Big ones one by one: each command has its time.
    for (const { folder, instances } of studies) if (instances.length > 1) await vna.load(folder);
    const small = studies.filter(({ instances }) => instances.length === 1);
    if (small.length > 0) await vna.load(small.map(({ folder }) => folder));
    return { work, studies, vna, ...to, peers: env === WITHOUT_NAGLE ? 'TCP_NODELAY=1' : 'as they come' };
  };
  try {
    // Enough for others to be there while one that has ended is deleted from raw.
    const big = await makeStudies(files.path, 1, 5, 600);
    const small = await makeStudies(files.path, 100, 300, 1);
    const [stock, quick] = [await stores({}), await stores(WITHOUT_NAGLE)];
    // dcmqrscp goes through its whole index for each request: an archive has no more studies than its work needs.
    const mixed = [...big.slice(0, 2), ...small.slice(0, 100)];
    const sitesAt = async (
      to: Stores,
      env: Readonly<Record<string, string>>,
      more: boolean,
    ): Promise<Site[]> =>
      Promise.all([
        site(BIG, more ? big : big.slice(0, 1), to, env),
        site('one-image studies', more ? small : small.slice(0, 100), to, env),
        site('both at once', mixed, to, env),
      ]);
    const [slow, fast] = await Promise.all([sitesAt(stock, {}, false), sitesAt(quick, WITHOUT_NAGLE, true)]);
    for (const one of await unlimited(fast, rabbitmq)) add(one);
    const options = { rabbitmq, seconds, deliver: false };
    for (const rate of rates)
      for (const one of rate === 5 ? slow : fast) add(await underRate({ ...options, site: one, rate }));
    if (rates.includes(50)) add(await underRate({ ...options, site: fast.at(-1)!, rate: 50, deliver: true }));
  } finally {
    await Promise.all(opened.map((one) => one.close()));
    files.remove();
    if (runs.length > 0) publish(rates === RATES ? 'rate' : `rate-${rates.join('-')}`, runs, table(runs));
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

async function startStores(env: Readonly<Record<string, string>>): Promise<Stores> {
  const [rawPort = 0, anonPort = 0] = await freePorts(2);
  // The disk is no part of what is measured.
  const config = { SyncStorageArea: false };
  const [raw, anon] = await Promise.all([
    startOrthanc({ aeTitle: 'ORTHANC_RAW', port: rawPort, env, config }),
    startOrthanc({ aeTitle: 'ORTHANC_ANON', port: anonPort, env, config }),
  ]);
  return { raw, anon };
}

/** What these peers can do on this machine: by themselves, and for the daemon. */
async function unlimited([big, small]: readonly Site[], rabbitmq: Rabbitmq): Promise<Run[]> {
  if (big === undefined || small === undefined) throw new Error('no sites');
  const { vna, raw, peers, studies } = big;
  const base = { rate: 'unlimited', delivery: false, peers, worst: null } as const;
  const keys = ['-k', 'QueryRetrieveLevel=STUDY', '-k', `StudyInstanceUID=${studies[0]!.studyInstanceUid}`];
  vna.clearLog();
  const startedAt = performance.now();
  await run('movescu', ['-S', '-aec', 'VNA', '-aem', raw.aeTitle, ...keys, vna.host, `${vna.port}`]);
  const took = (performance.now() - startedAt) / 1000;
  const images = vna.movedInstances();
  const runs: Run[] = [
    { ...base, work: 'movescu, a 600-image study', images, perSecond: images / took, overSeconds: took },
  ];
  for (const asksFirst of [false, true]) runs.push({ ...base, ...(await archiveAlone(small, asksFirst)) });
  for (const site of [big, small]) {
    const until = site.studies.reduce((sum, { instances }) => sum + instances.length, 0);
    const times = await moved({ site, rabbitmq, rate: 'unlimited', deliver: false, until });
    const overSeconds = (Math.max(...times) - Math.min(...times)) / 1000;
    const perSecond = times.length / overSeconds;
    runs.push({ ...base, work: site.work, images: times.length, perSecond, overSeconds });
  }
  return runs;
}

/**
 * What the archive can do for one-image studies over two associations: nothing but what a journey must ask it, with no
 * daemon, no broker and no look at raw between. A daemon can't be faster than this.
 *
 * @param asksFirst with the C-FINDs of each study before its C-MOVE
 */
async function archiveAlone(
  { vna, raw, studies }: Site,
  asksFirst: boolean,
): Promise<Pick<Run, 'work' | 'images' | 'perSecond' | 'overSeconds'>> {
  await raw.deleteAll();
  vna.clearLog();
  const archive = new NodeClient({
    node: { aeTitle: vna.aeTitle, host: vna.host, port: vna.port },
    callingAeTitle: 'PIXL',
    timeouts: { connectMs: 10_000, acseMs: 10_000, writeMs: 10_000 },
    maxAssociations: 2,
    idleMs: 1500,
  });
  const left = [...studies];
  const lane = async (): Promise<void> => {
    for (let study = left.shift(); study !== undefined; study = left.shift()) {
      const studyInstanceUid = toStudyInstanceUid(study.studyInstanceUid);
      if (asksFirst) {
        await archive.withQueryRetrieve((association) =>
          findStudies(association, { studyInstanceUid }, 10_000),
        );
        await archive.withQueryRetrieve(async (association) => {
          for (const { seriesInstanceUid } of await findSeries(association, studyInstanceUid, 10_000))
            await findInstances(association, studyInstanceUid, seriesInstanceUid, 10_000);
        });
      }
      await archive.withQueryRetrieve((association) => moveStudy(association, studyInstanceUid, raw.aeTitle));
    }
  };
  await Promise.all(Array.from({ length: 5 }, lane));
  await archive.close();
  const times = vna.moved().map(({ at }) => at);
  const overSeconds = (Math.max(...times) - Math.min(...times)) / 1000;
  const work = `the archive by itself, one-image studies: ${asksFirst ? 'three C-FINDs and a' : 'only a'} C-MOVE each`;
  return { work, images: times.length, perSecond: times.length / overSeconds, overSeconds };
}

async function moveStudy(
  association: Association,
  studyInstanceUid: StudyInstanceUid,
  moveDestination: string,
): Promise<void> {
  const selection = { level: 'STUDY', studyInstanceUid } as const;
  const silent = { silenceMs: 60_000, stillMoving: () => Promise.resolve(false) };
  const signal = new AbortController().signal;
  const responses = cMove(association, { selection, moveDestination, ...silent, signal });
  while ((await responses.next()).done !== true);
}

async function underRate(options: {
  readonly site: Site;
  readonly rabbitmq: Rabbitmq;
  readonly rate: number;
  readonly seconds: number;
  readonly deliver: boolean;
}): Promise<Run> {
  const { site, rate, seconds, deliver } = options;
  const times = await moved({ ...options, until: seconds * 1000 + 2 * SETTLING_MS });
  return {
    work: site.work,
    rate,
    delivery: deliver,
    peers: site.peers,
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
  readonly rate: Rate;
  readonly deliver: boolean;
  readonly until: number;
}): Promise<number[]> {
  const { site, rabbitmq, rate, deliver, until } = options;
  const { vna, raw, anon, studies } = site;
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
    LOG_LEVEL: 'info',
    // Big studies in turns of a batch each end together, and then there is a gap: fewer of them end one by one.
    PIXL_MAX_MESSAGES_IN_FLIGHT: site.work === BIG ? '2' : '5',
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
    if (!daemon.isRunning()) throw new Error(`the daemon has ended:\n${daemon.log().slice(-2000)}`);
  } finally {
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

import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
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
import { startLightRaw, type LightRaw } from '../light-raw.js';
import { cpuSeconds, cpuSecondsOfAll, publish } from '../measure.js';
import { AS_THEY_COME, WITHOUT_NAGLE, type ToolEnv } from '../tools.js';

/** The lower bound: within so much of the rate. */
const WITHIN = 0.05;
const SETTLING_MS = 2_000;
const BIG = '600-image studies';
const ONE_IMAGE = 'one-image studies';
const BOTH = 'both at once';
/**
 * What raw keeps of the last patients; each study here has one of its own. So a study that is asked for again is one that raw
 * does not have, and the queue never runs dry while somebody deletes.
 */
const KEPT = { big: 3, small: 60 } as const;
interface Run {
  readonly work: string;
  readonly rate: Rate;
  readonly delivery: boolean;
  readonly peers: string;
  readonly images: number;
  readonly worst: WorstWindow | null;
  readonly perSecond: number;
  readonly overSeconds: number;
  readonly cpu?: ProcessorTime;
}

/** Seconds. The machine has two processors, and all of them are on it. */
interface ProcessorTime {
  readonly archive: number;
  readonly raw: number;
  readonly daemon: number;
}

/** Of the daemon. */
interface Settings {
  /** PIXL_MAX_ASSOCIATIONS. */
  readonly associations: number;
  /** PIXL_MAX_MESSAGES_IN_FLIGHT. */
  readonly inFlight: number;
}

const DEFAULTS: Settings = { associations: 2, inFlight: 5 };

type RawKind = 'Orthanc' | typeof LIGHT_RAW;

/** What the archive sends to. */
type Raw = Pick<LightRaw, 'aeTitle' | 'port' | 'pid' | 'deleteAll' | 'close'> &
  Partial<Pick<LightRaw, 'forget'>>;

/** An archive with studies, and the stores that they go to. */
interface Site {
  readonly work: string;
  /** Of the peers, in words. */
  readonly env: string;
  readonly vna: Dcmqrscp;
  readonly raw: Raw;
  readonly rawKind: RawKind;
  readonly anon: Orthanc;
  readonly studies: readonly MadeStudy[];
}

/** With 44 ms for each image and for each answer to a query, two associations do no more one-image studies than that. */
const AS_THEY_COME_DO = 5;

/** Images per second. */
export const RATES: readonly number[] = [5, 50, 200];

/** With a raw that costs little: what the archive and the daemon do, and with how many associations. */
export const LIGHT_RAW = 'light';
const LIGHT_RAW_RATE = 200;
const SETTINGS: Readonly<Record<string, readonly Settings[]>> = {
  [ONE_IMAGE]: [
    { associations: 2, inFlight: 5 },
    { associations: 4, inFlight: 10 },
    { associations: 8, inFlight: 20 },
  ],
  [BOTH]: [
    { associations: 2, inFlight: 5 },
    { associations: 4, inFlight: 10 },
  ],
};

/** All that there is. */
export const PARTS: readonly (number | typeof LIGHT_RAW)[] = [...RATES, LIGHT_RAW];

/**
 * Prints a table, and writes it to bench/results/rate.{json,md}, or for some of the parts alone to rate-50-light.{json,md}.
 *
 * @param parts rates with Orthanc as raw, and {@link LIGHT_RAW}
 * @throws when the archive sent more than it may
 */
export async function benchImageRate(seconds: number, parts: typeof PARTS): Promise<void> {
  const rates = parts.filter((part) => part !== LIGHT_RAW);
  const files = tempDir('bench-rate');
  const rabbitmq = await startRabbitmq();
  const opened: { close(): Promise<void> }[] = [rabbitmq].map((one) => ({ close: () => one.stop() }));
  const runs: Run[] = [];
  const add = (one: Run): void => {
    runs.push(one);
    process.stderr.write(`${row(one)}\n`);
  };
  const site = async (
    work: string,
    studies: readonly MadeStudy[],
    env: ToolEnv,
    raw: RawKind = 'Orthanc',
  ): Promise<Site> => {
    const one = await startSite(work, studies, env, raw);
    opened.push(one.vna, one.raw, one.anon);
    return one;
  };
  try {
    const big = await makeStudies(files.path, 1, 5, 600);
    // dcmqrscp goes through its whole index for each request: an archive has no more studies than its work needs.
    const hundred = await makeStudies(files.path, 100, 100, 1);
    const sites = async (env: ToolEnv, bigOnes: readonly MadeStudy[]): Promise<Site[]> =>
      Promise.all([
        site(BIG, bigOnes, env),
        site(ONE_IMAGE, hundred, env),
        site(BOTH, [...bigOnes, ...hundred], env),
      ]);
    const options = { rabbitmq, seconds, deliver: false };
    const slowRates = rates.filter((rate) => rate <= AS_THEY_COME_DO);
    if (slowRates.length > 0)
      // One is work for two minutes, and loading it takes half a minute.
      for (const one of await sites(AS_THEY_COME, big.slice(0, 1)))
        for (const rate of slowRates) add(await underRate({ ...options, site: one, rate }));
    const fastRates = rates.filter((rate) => rate > AS_THEY_COME_DO);
    if (fastRates.length > 0) {
      const fast = await sites(WITHOUT_NAGLE, big);
      for (const one of await unlimited(fast, rabbitmq)) add(one);
      for (const rate of fastRates)
        for (const one of fast) add(await underRate({ ...options, site: one, rate }));
      if (fastRates.includes(50))
        add(await underRate({ ...options, site: fast.at(-1)!, rate: 50, deliver: true }));
    }
    if (parts.includes(LIGHT_RAW)) {
      const light = [
        await site(ONE_IMAGE, hundred, WITHOUT_NAGLE, LIGHT_RAW),
        await site(BOTH, [...big, ...hundred], WITHOUT_NAGLE, LIGHT_RAW),
      ];
      for (const { associations } of SETTINGS[ONE_IMAGE] ?? [])
        add(await archiveAlone(light[0]!, true, associations));
      for (const one of light)
        for (const settings of SETTINGS[one.work] ?? [])
          add(await underRate({ ...options, site: one, rate: LIGHT_RAW_RATE, settings }));
    }
  } finally {
    await Promise.all(opened.map((one) => one.close()));
    files.remove();
    if (runs.length > 0) publish(parts === PARTS ? 'rate' : `rate-${parts.join('-')}`, runs, table(runs));
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

async function startSite(
  work: string,
  studies: readonly MadeStudy[],
  env: ToolEnv,
  rawKind: RawKind,
): Promise<Site> {
  const [rawPort = 0, anonPort = 0] = await freePorts(2);
  // The disk is no part of what is measured.
  const config = { SyncStorageArea: false };
  const [raw, anon] = await Promise.all([
    rawKind === LIGHT_RAW
      ? startLightRaw('RAW')
      : startOrthanc({
          aeTitle: 'ORTHANC_RAW',
          port: rawPort,
          env,
          config: { ...config, MaximumPatientCount: work === BIG ? KEPT.big : KEPT.small },
        }).then(asRaw),
    startOrthanc({ aeTitle: 'ORTHANC_ANON', port: anonPort, env, config }),
  ]);
  const vna = await startDcmqrscp({
    aeTitle: 'VNA',
    peers: [{ aeTitle: raw.aeTitle, port: raw.port }],
    env,
  });
  // Big ones one by one: each command has its time.
  for (const { folder, instances } of studies) if (instances.length > 1) await vna.load(folder);
  const small = studies.filter(({ instances }) => instances.length === 1);
  if (small.length > 0) await vna.load(small.map(({ folder }) => folder));
  return {
    work,
    studies,
    vna,
    raw,
    rawKind,
    anon,
    env: env === WITHOUT_NAGLE ? 'TCP_NODELAY=1' : 'as they come',
  };
}

/** For the table: with the light raw the associations are what differs. */
function peersOf({ env, rawKind }: Site, associations: number): string {
  return rawKind === LIGHT_RAW ? `${env}, light raw, ${associations} associations` : env;
}

/** Kept apart from the process, which an Orthanc that is started again has another of. */
function asRaw(orthanc: Orthanc): Raw {
  return { ...orthanc, pid: orthanc.process.pid };
}

/** What these peers can do on this machine: by themselves, and for the daemon. */
async function unlimited([big, small]: readonly Site[], rabbitmq: Rabbitmq): Promise<Run[]> {
  if (big === undefined || small === undefined) throw new Error('no sites');
  const { vna, raw, env: peers, studies } = big;
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
  for (const asksFirst of [false, true])
    runs.push(await archiveAlone(small, asksFirst, DEFAULTS.associations));
  for (const site of [big, small]) {
    const { times, cpu } = await moved({ site, rabbitmq, rate: 'unlimited', deliver: false, untilMs: null });
    const overSeconds = (Math.max(...times) - Math.min(...times)) / 1000;
    const perSecond = times.length / overSeconds;
    runs.push({ ...base, work: site.work, images: times.length, perSecond, overSeconds, cpu });
  }
  return runs;
}

/**
 * What the archive can do for one-image studies over so many associations: nothing but what a journey must ask it, with no
 * daemon, no broker and no look at raw between. A daemon can't be faster than this.
 *
 * @param asksFirst with the C-FINDs of each study before its C-MOVE
 */
async function archiveAlone(site: Site, asksFirst: boolean, associations: number): Promise<Run> {
  const { vna, raw, studies } = site;
  await raw.deleteAll();
  vna.clearLog();
  const archive = new NodeClient({
    node: { aeTitle: vna.aeTitle, host: vna.host, port: vna.port },
    callingAeTitle: 'PIXL',
    timeouts: { connectMs: 10_000, acseMs: 10_000, writeMs: 10_000 },
    maxAssociations: associations,
    idleMs: 1500,
  });
  // The light raw is new, and its code is to be compiled first.
  const left = Array.from({ length: site.rawKind === LIGHT_RAW ? 10 : 1 }, () => studies).flat();
  const lane = async (): Promise<void> => {
    for (let study = left.shift(); study !== undefined; study = left.shift()) {
      const studyInstanceUid = toStudyInstanceUid(study.studyInstanceUid);
      if (asksFirst) {
        await archive.withQueryRetrieve((association) =>
          findStudies(association, { studyInstanceUid }, 10_000),
        );
        await archive.withQueryRetrieve(async (association) => {
          for (const { seriesInstanceUid } of (await findSeries(association, studyInstanceUid, 10_000))
            .matches)
            await findInstances(association, studyInstanceUid, seriesInstanceUid, 10_000);
        });
      }
      await archive.withQueryRetrieve((association) => moveStudy(association, studyInstanceUid, raw.aeTitle));
    }
  };
  await Promise.all(Array.from({ length: Math.max(5, 2 * associations) }, lane));
  await archive.close();
  const times = vna.moved().map(({ at }) => at);
  const overSeconds = (Math.max(...times) - Math.min(...times)) / 1000;
  const work = `the archive by itself, one-image studies: ${asksFirst ? 'three C-FINDs and a' : 'only a'} C-MOVE each`;
  return {
    ...{ work, rate: 'unlimited', delivery: false, worst: null },
    peers: peersOf(site, associations),
    ...{ images: times.length, perSecond: times.length / overSeconds, overSeconds },
  };
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
  readonly settings?: Settings;
}): Promise<Run> {
  const { site, rate, seconds, deliver, settings = DEFAULTS } = options;
  const { times, cpu } = await moved({ ...options, untilMs: seconds * 1000 + 2 * SETTLING_MS });
  return {
    work: site.work,
    rate,
    delivery: deliver,
    peers: peersOf(site, settings.associations),
    images: times.length,
    worst: worstWindow(times, rate, Math.max(1, rate)),
    perSecond: meanRate(times, Math.min(...times) + SETTLING_MS, seconds),
    overSeconds: seconds,
    cpu,
  };
}

/**
 * Runs a daemon of its own on the studies.
 *
 * @param options.untilMs again and again, for so long from the first image on; null = once each
 * @returns when the archive sent each image
 */
async function moved(options: {
  readonly site: Site;
  readonly rabbitmq: Rabbitmq;
  readonly rate: Rate;
  readonly deliver: boolean;
  readonly untilMs: number | null;
  readonly settings?: Settings;
}): Promise<{ readonly times: number[]; readonly cpu: ProcessorTime }> {
  const { site, rabbitmq, rate, deliver, untilMs, settings = DEFAULTS } = options;
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
    PIXL_MAX_MESSAGES_IN_FLIGHT: site.work === BIG ? '2' : `${settings.inFlight}`,
    PIXL_MAX_ASSOCIATIONS: `${settings.associations}`,
  });
  const before = processorTime(site, daemon);
  let cpu: ProcessorTime;
  const model = await connect(`amqp://guest:guest@${rabbitmq.host}:${rabbitmq.port}`, { noDelay: true });
  try {
    const channel = await model.createConfirmChannel();
    const work = new Work(site.work, studies);
    await wish(channel, queues.PIXL_PRIMARY_QUEUE, untilMs === null ? studies : work.first());
    const ended = new Ended(daemon, studies);
    if (untilMs === null) {
      for (let left = studies.length; left > 0; left -= ended.next().length) await sleep(20);
    } else {
      while (vna.movedInstances() === 0) await sleep(100);
      const endAt = performance.now() + untilMs;
      while (performance.now() < endAt) {
        await sleep(50);
        const over = ended.next();
        await raw.forget?.(over.map(({ studyInstanceUid }) => studyInstanceUid));
        const more = over.map((study) => work.after(study));
        await wish(channel, queues.PIXL_PRIMARY_QUEUE, more);
      }
    }
    if (!daemon.isRunning()) throw new Error(`the daemon has ended:\n${daemon.log().slice(-2000)}`);
    const after = processorTime(site, daemon);
    cpu = {
      archive: after.archive - before.archive,
      raw: after.raw - before.raw,
      daemon: after.daemon - before.daemon,
    };
  } finally {
    await daemon.close();
    const channel = await model.createChannel();
    for (const queue of Object.values(queues)) await channel.deleteQueue(queue);
    await model.close();
  }
  return { times: vna.moved().map(({ at }) => at), cpu };
}

function processorTime({ vna, raw }: Site, daemon: Daemon): ProcessorTime {
  return {
    archive: cpuSecondsOfAll(vna.process.pid),
    raw: cpuSeconds(raw.pid),
    daemon: cpuSeconds(daemon.pid),
  };
}

/** Large ones come first, or they would lie behind a hundred small ones each time that they are asked for. */
async function wish(channel: ConfirmChannel, queue: string, studies: readonly MadeStudy[]): Promise<void> {
  for (const study of studies) {
    const options = { persistent: true, priority: study.instances.length > 1 ? 5 : 1 };
    channel.sendToQueue(queue, Buffer.from(JSON.stringify(wishFor(study))), options);
  }
  await channel.waitForConfirms();
}

/**
 * What is asked for, so that there is always enough of it. Of both kinds at once two large studies are under way at any time,
 * one after the other of all that there are, and the small ones beside them.
 */
class Work {
  readonly #big: MadeStudy[];
  readonly #small: readonly MadeStudy[];
  readonly #atOnce: number;

  constructor(work: string, studies: readonly MadeStudy[]) {
    this.#big = studies.filter(({ instances }) => instances.length > 1);
    this.#small = studies.filter(({ instances }) => instances.length === 1);
    this.#atOnce = work === BIG ? this.#big.length : 2;
  }

  first(): MadeStudy[] {
    return [...this.#big.splice(0, this.#atOnce), ...this.#small];
  }

  /** What is asked for when that one has ended. */
  after(study: MadeStudy): MadeStudy {
    if (study.instances.length === 1) return study;
    this.#big.push(study);
    return this.#big.shift() ?? study;
  }
}

/** The studies that have come to an end, by the daemon's log. */
class Ended {
  readonly #logFile: string;
  readonly #byName: ReadonlyMap<string, MadeStudy>;
  #read = 0;

  constructor({ logFile }: Daemon, studies: readonly MadeStudy[]) {
    this.#logFile = logFile;
    this.#byName = new Map(studies.map((study) => [hashedNames(study.studyInstanceUid), study]));
  }

  /** Those since the last time. Reads no more than what is new: whoever measures takes no part. */
  next(): MadeStudy[] {
    const file = openSync(this.#logFile, 'r');
    let text: string;
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#read);
      text = bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, this.#read));
    } finally {
      closeSync(file);
    }
    const end = text.lastIndexOf('\n') + 1;
    this.#read += end;
    return text
      .slice(0, end)
      .split('\n')
      .flatMap((line) => {
        if (!line.includes('"msg":"study"')) return [];
        const study = this.#byName.get((JSON.parse(line) as { study: string }).study);
        return study === undefined ? [] : [study];
      });
  }
}

function table(runs: readonly Run[]): string {
  return [
    '| work | rate | delivery | peers | images | worst window | allowed in it | mean | of the rate | CPU ms per image: archive, raw, daemon |',
    '| --- | ---: | --- | --- | ---: | --- | ---: | --- | --- | --- |',
    ...runs.map(row),
  ].join('\n');
}

function row(run: Run): string {
  const { work, rate, delivery, peers, images, worst, perSecond, overSeconds, cpu } = run;
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
    cpu === undefined ? '–' : perImage(run.images, cpu),
  ].join(' | ')} |`;
}

function perImage(images: number, { archive, raw, daemon }: ProcessorTime): string {
  return [archive, raw, daemon].map((seconds) => ((1000 * seconds) / images).toFixed(2)).join(', ');
}

import { nodesEnv } from '../../test/support/cli.js';
import { startDcmqrscp } from '../../test/support/dcmqrscp.js';
import type { NodeAddress } from '../../test/support/dcmtk.js';
import { makeStudy, type MadeStudy, type StudyOptions } from '../../test/support/dicom-files.js';
import { startOrthanc, type Orthanc } from '../../test/support/orthanc.js';
import { freePorts } from '../../test/support/ports.js';
import { startStorescp } from '../../test/support/storescp.js';
import { tempDir } from '../../test/support/temp-dir.js';
import { startFastPeers, type FastPeers } from '../fast-peers.js';
import type { Job, Report, Side } from '../measure.js';
import {
  AS_THEY_COME,
  getscu,
  loadInto,
  loadSlowly,
  storescu,
  WITHOUT_NAGLE,
  type ToolEnv,
} from '../tools.js';
import { Worker } from '../worker.js';

/** What goes from raw to anon. */
export interface Load {
  readonly name: string;
  readonly study: Omit<StudyOptions, 'study'>;
  readonly instances: number;
  readonly bytesEach: number;
}

export const MEDIUM: Load = {
  name: '200 × 0.5 MB',
  study: { series: 2, instances: 100, rows: 512, cols: 512 },
  instances: 200,
  bytesEach: 524_288,
};
export const SMALL: Load = {
  name: '2,000 × 32 KB',
  study: { series: 4, instances: 500, rows: 128, cols: 128 },
  instances: 2000,
  bytesEach: 32_768,
};
export const LARGE: Load = {
  name: '1 × 1 GiB',
  study: { series: 1, instances: 1, rows: 1024, cols: 1024, frames: 512, sopClass: 'MultiFrameSC' },
  instances: 1,
  bytesEach: 1 << 30,
};

/** Peers that hold a study and take it, and ours between them in several ways. */
interface Between {
  readonly study: MadeStudy;
  readonly raw: NodeAddress;
  readonly anon: NodeAddress;
  readonly env: ToolEnv;
  readonly prepare: () => Promise<void>;
  readonly check: () => Promise<void>;
}

export interface DeliverySides {
  readonly sides: readonly Side[];
  readonly raw: Orthanc;
  readonly anon: Orthanc;
  readonly close: () => Promise<void>;
}

/** Two Orthancs, one of them holding a study, and the ways to get it into the other. */
export async function deliverySides(
  load: Pick<Load, 'study' | 'instances'>,
  env: ToolEnv = AS_THEY_COME,
): Promise<DeliverySides> {
  const files = tempDir('bench-study');
  const study = await makeStudy(files.path, { study: 1, ...load.study });
  const [rawPort = 0, anonPort = 0] = await freePorts(2);
  const modalities = [
    { aeTitle: 'ORTHANC_RAW', port: rawPort },
    { aeTitle: 'ORTHANC_ANON', port: anonPort },
  ];
  const raw = await startOrthanc({ aeTitle: 'ORTHANC_RAW', port: rawPort, modalities, env });
  const anon = await startOrthanc({ aeTitle: 'ORTHANC_ANON', port: anonPort, modalities, env });
  await loadInto(raw, study.files);
  files.remove();
  const between: Between = {
    study,
    raw,
    anon,
    env,
    prepare: () => anon.deleteAll(),
    check: async () => {
      const { instances } = await anon.statistics();
      if (instances !== load.instances) throw new Error(`${instances} of ${load.instances} arrived`);
    },
  };
  const workers: Worker[] = [];
  const sides: Side[] = [
    ours(between, 'pixl-imaging', {}, workers),
    ...(load.instances > 1 ? [ours(between, 'pixl-imaging, one lane', ONE_LANE, workers)] : []),
    { name: "Orthanc's store job", ...steps(between), run: () => storeJob(raw) },
    script(between),
  ];
  return {
    raw,
    anon,
    sides,
    close: async () => {
      await Promise.all([raw, anon, ...workers].map((one) => one.close()));
    },
  };
}

const ONE_LANE = { PIXL_MAX_ASSOCIATIONS_RAW: '1', PIXL_MAX_ASSOCIATIONS_ANON: '1' };

function steps({ prepare, check }: Between): Pick<Side, 'prepare' | 'check'> {
  return { prepare, check };
}

/** Ours as the daemon is wired. */
function ours(
  between: Between,
  name: string,
  settings: Readonly<Record<string, string>>,
  workers: Worker[],
): Side {
  const { raw, anon, study } = between;
  const worker = new Worker({ ...nodesEnv({ primary: raw, raw, anon }), ...settings });
  workers.push(worker);
  const task = { kind: 'deliver', studyInstanceUid: study.studyInstanceUid } as const;
  const run = (): Promise<void> => worker.perform(task, study.instances.length);
  return { name, ...steps(between), run, process: () => worker.pid() };
}

function script(between: Between): Side {
  const { raw, anon, study, env } = between;
  const run = async (): Promise<void> => {
    const folder = tempDir('bench-get');
    try {
      await getscu(raw, folder.path, study.studyInstanceUid, env);
      await storescu(anon, folder.path, env);
    } finally {
      folder.remove();
    }
  };
  return { name: 'getscu, then storescu', ...steps(between), run };
}

async function storeJob(raw: Orthanc): Promise<void> {
  const studies = (await raw.get('/studies')) as string[];
  await raw.storeTo('ORTHANC_ANON', studies);
}

/** The bytes of it through Node: what nothing here can be faster than. */
export function plainCopy(peers: FastPeers, workers: Worker[]): Side {
  const worker = new Worker({});
  workers.push(worker);
  const { ports } = peers;
  return {
    name: 'plain TCP copy of the bytes',
    run: () => worker.perform({ kind: 'copy', ports }, ports.bytes),
    process: () => worker.pid(),
  };
}

/** The 44 ms for each of 2,000 images take minutes on the sides that wait for them: fewer rounds of these. */
function withFewerRounds(sides: readonly Side[], load: Load, env: ToolEnv): readonly Side[] {
  if (load !== SMALL || env === WITHOUT_NAGLE) return sides;
  return sides.map((side) => (side.name === 'pixl-imaging' ? side : { ...side, rounds: 1 }));
}

export async function deliveryPart(report: Report, load: Load, env: ToolEnv): Promise<void> {
  const { sides, close } = await deliverySides(load, env);
  const copies: Worker[] = [];
  const peers = await startFastPeers(load.instances, load.bytesEach);
  const how = env === WITHOUT_NAGLE ? 'Orthancs with TCP_NODELAY=1' : 'Orthancs as they come';
  try {
    await report.measure({
      name: `raw to anon, ${load.name}, ${how}`,
      bytes: load.instances * load.bytesEach,
      sides: [...withFewerRounds(sides, load, env), plainCopy(peers, copies)],
    });
  } finally {
    await Promise.all([{ close }, peers, ...copies].map((one) => one.close()));
  }
}

/** The same between DCMTK's archive and a sink that forgets. */
export async function dcmtkPart(report: Report, load: Load, env: ToolEnv): Promise<void> {
  const files = tempDir('bench-study');
  const study = await makeStudy(files.path, { study: 1, ...load.study });
  const raw = await startDcmqrscp({ aeTitle: 'DCMQRSCP', env });
  const anon = await startStorescp({ aeTitle: 'STORESCP', ignore: true, env });
  await loadSlowly(raw, study.files);
  files.remove();
  const peers = await startFastPeers(load.instances, load.bytesEach);
  const nothing = (): Promise<void> => Promise.resolve();
  const between: Between = { study, raw, anon, env, prepare: nothing, check: nothing };
  const workers: Worker[] = [];
  const sides = [
    ours(between, 'pixl-imaging', {}, workers),
    ...(load.instances > 1 ? [ours(between, 'pixl-imaging, one lane', ONE_LANE, workers)] : []),
    script(between),
    plainCopy(peers, workers),
  ];
  const how = env === WITHOUT_NAGLE ? 'with TCP_NODELAY=1' : 'as they come';
  const job: Job = {
    name: `dcmqrscp to storescp, ${load.name}, ${how}`,
    bytes: load.instances * load.bytesEach,
    sides: withFewerRounds(sides, load, env),
  };
  try {
    await report.measure(job);
  } finally {
    await Promise.all([raw, anon, peers, ...workers].map((one) => one.close()));
  }
}

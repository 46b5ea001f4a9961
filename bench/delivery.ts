import { studyInstanceUid } from '../src/core/ids.js';
import { hashedNames, silentLogger } from '../src/core/log.js';
import { noMetrics } from '../src/core/metrics.js';
import { createRateLimiter } from '../src/core/rate-limiter/index.js';
import { NodeClient } from '../src/dimse/index.js';
import { deliverStudy } from '../src/pipeline/deliver-study.js';
import { KeyedLock, listStudy, RunningStudies, type JourneyParts } from '../src/pipeline/index.js';
import { getscu, storescu, type NodeAddress } from '../test/support/dcmtk.js';
import { makeStudy, type MadeStudy } from '../test/support/dicom-files.js';
import { startOrthanc, type Orthanc } from '../test/support/orthanc.js';
import { freePorts } from '../test/support/ports.js';
import { tempDir } from '../test/support/temp-dir.js';
import type { Side } from './measure.js';

/** Two Orthancs as they come, one of them holding a study, and the ways to get it into the other. */
export async function deliverySides(size: {
  instances: number;
  rows: number;
  cols: number;
}): Promise<{ sides: Side[]; raw: Orthanc; anon: Orthanc; close: () => Promise<void> }> {
  const files = tempDir('bench-study');
  const study = await makeStudy(files.path, { study: 1, series: 2, ...size, instances: size.instances / 2 });
  const [rawPort = 0, anonPort = 0] = await freePorts(2);
  const modalities = [
    { aeTitle: 'ORTHANC_RAW', port: rawPort },
    { aeTitle: 'ORTHANC_ANON', port: anonPort },
  ];
  const raw = await startOrthanc({ aeTitle: 'ORTHANC_RAW', port: rawPort, modalities });
  const anon = await startOrthanc({ aeTitle: 'ORTHANC_ANON', port: anonPort, modalities });
  await raw.load(study.folder);
  files.remove();
  const whole = {
    prepare: () => anon.deleteAll(),
    check: async () => {
      const { length } = await anon.instances();
      if (length !== study.instances.length)
        throw new Error(`${length} of ${study.instances.length} instances arrived`);
    },
  };
  return {
    raw,
    anon,
    sides: [
      { name: 'pixl-imaging', ...whole, run: () => ours(study, raw, anon, 3) },
      { name: 'pixl-imaging, two lanes', ...whole, run: () => ours(study, raw, anon, 2) },
      { name: 'pixl-imaging, one lane', ...whole, run: () => ours(study, raw, anon, 1) },
      { name: "Orthanc's store job", ...whole, run: () => storeJob(raw) },
      { name: 'getscu, then storescu', ...whole, run: () => getThenStore(study, raw, anon) },
    ],
    close: async () => {
      await Promise.all([raw.close(), anon.close()]);
    },
  };
}

/** As the pipeline delivers: list what raw holds, then relay it. */
async function ours(
  study: MadeStudy,
  rawNode: NodeAddress,
  anonNode: NodeAddress,
  maxAssociations: number,
): Promise<void> {
  const client = (node: NodeAddress): NodeClient =>
    new NodeClient({
      node,
      callingAeTitle: 'PIXL',
      timeouts: { connectMs: 10_000, acseMs: 30_000, writeMs: 240_000 },
      maxAssociations,
      idleMs: 1_500,
    });
  const raw = client(rawNode);
  const anon = client(anonNode);
  const limiter = await createRateLimiter({
    name: 'bench',
    rate: 'unlimited',
    capacity: null,
    unit: 'image',
    log: silentLogger,
  });
  const uid = studyInstanceUid(study.studyInstanceUid);
  const parts: JourneyParts = {
    archives: { primary: { name: 'primary', client: raw, limiter, moveLevel: 'IMAGE' }, secondary: null },
    raw,
    anon,
    settings: {
      queryTimeoutMs: 10_000,
      transferTimeoutMs: 240_000,
      retrieveAttempts: 3,
      moveBatch: 100,
      settleMs: 3_000,
      projectTag: true,
      earlyAck: true,
      earlyCommand: true,
    },
    studyLock: new KeyedLock(),
    log: silentLogger,
    nameOf: hashedNames,
    observer: new RunningStudies(),
    metrics: noMetrics,
  };
  const contents = await listStudy(raw, uid, null, 10_000);
  const request = {
    studyInstanceUid: uid,
    contents,
    wholeStudy: true,
    projectName: 'bench',
    onDelivered: () => undefined,
  };
  await deliverStudy(request, raw, anon, parts, new AbortController().signal);
  await Promise.all([raw.close(), anon.close()]);
}

async function storeJob(raw: Orthanc): Promise<void> {
  const studies = (await raw.get('/studies')) as string[];
  await raw.storeTo('ORTHANC_ANON', studies);
}

async function getThenStore(study: MadeStudy, raw: NodeAddress, anon: NodeAddress): Promise<void> {
  const folder = tempDir('bench-get');
  await getscu(raw, folder.path, { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid });
  await storescu(anon, [folder.path]);
  folder.remove();
}

import { nobodyOptedOut } from '../../../src/core/opt-out.js';
import { hashedNames, silentLogger } from '../../../src/core/log.js';
import { accessionNumber, patientId, seriesInstanceUid, studyInstanceUid } from '../../../src/core/ids.js';
import { noMetrics } from '../../../src/core/metrics.js';
import { keepsNoOriginals } from '../../../src/core/originals.js';
import { createRateLimiter } from '../../../src/core/rate-limiter/index.js';
import type { StudyRequest } from '../../../src/core/message.js';
import type { Outcome, StudyReport } from '../../../src/core/outcome.js';
import { NodeClient, type AssociationTimeouts, type DicomNode } from '../../../src/dimse/index.js';
import {
  BY_IMAGES,
  KeyedLock,
  processMessage,
  type Archive,
  type JourneyParts,
  type JourneySettings,
} from '../../../src/pipeline/index.js';
import { join } from 'node:path';
import type { NodeAddress } from '../../support/dcmtk.js';
import { makeStudy, type MadeStudy, type StudyOptions } from '../../support/dicom-files.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import {
  startScriptedArchive,
  type ArchiveQuirks,
  type ArchiveStudy,
  type ScriptedArchive,
} from '../../support/scripted-archive.js';
import { startStorescp, type Storescp } from '../../support/storescp.js';
import { tempDir } from '../../support/temp-dir.js';

/** As bin/wiring.ts has them, with shorter times. */
const SETTINGS: JourneySettings = {
  queryTimeoutMs: 10_000,
  transferTimeoutMs: 10_000,
  retrieveAttempts: 3,
  moveBatch: 100,
  settleMs: 700,
  projectTag: false,
  earlyAck: true,
  earlyCommand: true,
};

/** The parts of a service with one archive, and what closes them. */
export interface Journey {
  readonly archive: Archive;
  readonly parts: JourneyParts;
  run(request: StudyRequest, signal?: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

export async function startJourney(
  nodes: { readonly archive: NodeAddress; readonly raw: NodeAddress; readonly anon: NodeAddress | null },
  settings: Partial<JourneySettings> = {},
  associations: { readonly raw: number; readonly anon: number } = { raw: 3, anon: 2 },
  timeouts: AssociationTimeouts = { connectMs: 10_000, acseMs: 10_000, writeMs: 10_000 },
): Promise<Journey> {
  const clients: NodeClient[] = [];
  const client = ({ aeTitle, host, port }: DicomNode, maxAssociations: number): NodeClient => {
    const made = new NodeClient({
      node: { aeTitle, host, port },
      callingAeTitle: 'PIXL',
      timeouts,
      maxAssociations,
      idleMs: 500,
    });
    clients.push(made);
    return made;
  };
  const limiter = await createRateLimiter({
    name: 'primary',
    rate: 'unlimited',
    capacity: null,
    unit: 'image',
    log: silentLogger,
  });
  const archive: Archive = { name: 'primary', client: client(nodes.archive, 2), limiter, asks: BY_IMAGES };
  const parts: JourneyParts = {
    archives: { primary: archive, secondary: null },
    raw: client(nodes.raw, associations.raw),
    rawMemory: { asks: BY_IMAGES },
    anon: nodes.anon === null ? null : client(nodes.anon, associations.anon),
    settings: { ...SETTINGS, ...settings },
    studyLock: new KeyedLock(),
    originals: keepsNoOriginals,
    log: silentLogger,
    nameOf: hashedNames,
    optOuts: nobodyOptedOut,
    observer: { progress: () => undefined, ended: () => undefined },
    metrics: noMetrics,
  };
  return {
    archive,
    parts,
    run: (request, signal = new AbortController().signal) =>
      processMessage(request, 'primary', parts, signal),
    close: async () => {
      await Promise.all([...clients.map((one) => one.close()), limiter.close()]);
    },
  };
}

/** A request for a study by its UID, or as the rest says. */
export function requestFor(
  study: Pick<ArchiveStudy, 'studyInstanceUid' | 'mrn' | 'accession'>,
  rest: { readonly by?: 'uid' | 'accession'; readonly series?: readonly string[] } = {},
): StudyRequest {
  return {
    mrn: patientId(study.mrn),
    accessionNumber: accessionNumber(study.accession),
    studyInstanceUid: rest.by === 'accession' ? null : studyInstanceUid(study.studyInstanceUid),
    seriesInstanceUids: (rest.series ?? []).map(seriesInstanceUid),
    projectName: 'test-project',
  };
}

/** What the outcome says of its only study. */
export function onlyStudy(outcome: Outcome): StudyReport {
  const [study, ...others] = outcome.studies;
  if (study === undefined || others.length > 0)
    throw new Error(`${outcome.kind} with ${outcome.studies.length} studies, not one`);
  return study;
}

type Nodes = Parameters<typeof startJourney>[0];

/** An Orthanc as raw, a sink as anon, and an archive of scripts that has small studies; raw is emptied before each test. */
export interface ScriptedSite {
  readonly folder: string;
  readonly raw: Orthanc;
  readonly anon: Storescp;
  /** In the order in which they were asked for. */
  readonly studies: readonly MadeStudy[];
  readonly archive: ScriptedArchive;
  readonly journey: Journey;
  /** Has the archive behave so from now on, before a journey with these settings and nodes, which ends with the test. */
  readonly use: (
    quirks: ArchiveQuirks,
    settings?: Partial<JourneySettings>,
    nodes?: Partial<Nodes>,
  ) => Promise<Journey>;
}

/** Registers the hooks of a suite. */
export function useScriptedSite(...wanted: readonly StudyOptions[]): ScriptedSite {
  const folder = tempDir('studies');
  let [raw, anon]: [Orthanc?, Storescp?] = [];
  let studies: readonly MadeStudy[] = [];
  let archive: ScriptedArchive | undefined;
  let journey: Journey | undefined;

  before('start raw and anon, and make the studies', async () => {
    const env = { TCP_NODELAY: '1' };
    [raw, anon, studies] = await Promise.all([
      startOrthanc({ aeTitle: 'RAW', env }),
      startStorescp({ aeTitle: 'ANON', env }),
      Promise.all(
        wanted.map((one) => makeStudy(join(folder.path, `${one.study}`), { rows: 8, cols: 8, ...one })),
      ),
    ]);
  });
  after(async () => {
    await Promise.all([raw?.close(), anon?.close()]);
    folder.remove();
  });
  beforeEach('start the archive', async () => {
    await raw!.deleteAll();
    archive = await startScriptedArchive({ studies, destinations: [raw!] });
    await site.use({});
  });
  afterEach(async () => {
    await journey?.close();
    await archive?.close();
  });

  const site: ScriptedSite = {
    folder: folder.path,
    get raw() {
      return raw!;
    },
    get anon() {
      return anon!;
    },
    get studies() {
      return studies;
    },
    get archive() {
      return archive!;
    },
    get journey() {
      return journey!;
    },
    use: async (quirks, settings = {}, nodes = {}) => {
      site.archive.setQuirks(quirks);
      await journey?.close();
      journey = await startJourney({ archive: site.archive, raw: raw!, anon: anon!, ...nodes }, settings);
      return journey;
    },
  };
  return site;
}

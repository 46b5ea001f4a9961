import { expect } from 'chai';
import { Closers } from '../../../src/core/closers.js';
import {
  makeStudy,
  UID_ROOT,
  type MadeInstance,
  type MadeStudy,
  type StudyOptions,
} from '../../support/dicom-files.js';
import { datasetDigest, pixelDataDigest, readDicomHead, type DicomSource } from '../../support/dicom-read.js';
import type { Site, Stored } from '../../support/site.js';
import { tempDir } from '../../support/temp-dir.js';
import { deploy, PROJECT, type Deployment, type Nodes } from './deployment.js';
import { REAL, type Parts } from './parts.js';

/** What a suite of journeys has: the shared peers, emptied before each test, and daemons on queues of their own. */
export interface Journeys {
  readonly parts: Parts;
  readonly lab: Site;
  /** A daemon for one test, on other nodes or with other settings. */
  deploy(nodes?: Partial<Nodes>, settings?: Readonly<Record<string, string>>): Promise<Deployment>;
  /** A study like no other, as files in a folder of the test's own. */
  study(options?: Omit<StudyOptions, 'study' | 'uidRoot'>): Promise<MadeStudy>;
  folder(): string;
  /** Closes at the end of the test, last in first out. */
  atEnd(close: () => Promise<void> | void): void;
}

let studies = 0;

/** Registers the hooks of a suite. */
export function useJourneys(parts: Parts = REAL): Journeys {
  let lab: Site | undefined;
  let closers = new Closers();

  before('start the peers', async function () {
    lab = await parts.site();
    await lab.reset();
  });

  afterEach('close what the test opened', async function () {
    const ending = closers;
    closers = new Closers();
    try {
      await ending.closeAll();
    } catch (error) {
      if (this.currentTest?.state !== 'failed') throw error; // else it follows from what failed
    } finally {
      await journeys.lab.reset();
    }
  });

  const journeys: Journeys = {
    parts,
    get lab() {
      return lab!;
    },
    deploy: async (other = {}, settings = {}) => {
      const own = await deploy({ ...nodesOf(journeys.lab), ...other }, await parts.queues(), settings);
      closers.add('daemon', () => own.close());
      return own;
    },
    study: async (options = {}) => {
      studies += 1;
      return makeStudy(journeys.folder(), {
        study: studies,
        uidRoot: `${UID_ROOT}.7700`,
        mrn: `CANARYM-J-${studies}`,
        accession: `CANARYA-J-${studies}`,
        ...options,
      });
    },
    folder: () => {
      const dir = tempDir('journey');
      closers.add('folder', () => dir.remove());
      return dir.path;
    },
    atEnd: (close) => {
      closers.add('of the test', close);
    },
  };
  return journeys;
}

function nodesOf({ vna, pacs, raw, anon }: Site): Nodes {
  return { primary: vna, secondary: pacs, raw, anon };
}

/** One daemon for all tests of a suite, on the lab as it is. */
export function useDaemon(
  journeys: Journeys,
  settings: Readonly<Record<string, string>> = {},
): () => Deployment {
  let deployment: Deployment | undefined;

  before('start the daemon', async function () {
    deployment = await deploy(nodesOf(journeys.lab), await journeys.parts.queues(), settings);
  });

  afterEach('forget what a failed test left', async function () {
    if (this.currentTest?.state === 'failed') await deployment?.forget();
  });

  after('end the daemon', async function () {
    await deployment?.close();
  });

  return () => deployment!;
}

/** Files, by the UID that each says it has. */
export function storedAs(files: readonly string[]): Stored {
  return new Map(files.map((file) => [readDicomHead(file).sopInstanceUid, file]));
}

const uids = (instances: readonly MadeInstance[]): string[] =>
  instances.map(({ sopInstanceUid }) => sopInstanceUid).sort();

/**
 * Just these instances, all of them, are in raw and in anon; raw's pixel data are those of the files, and anon's data
 * sets those of raw but for the project's private element.
 */
export async function expectDelivered(
  stores: Pick<Site, 'raw' | 'anon'>,
  instances: readonly MadeInstance[],
  projectName: string | null = PROJECT,
): Promise<void> {
  const [raw, anon] = [await stores.raw.stored(), await stores.anon.stored()];
  expect([...raw.keys()].sort(), 'in raw').to.deep.equal(uids(instances));
  expect([...anon.keys()].sort(), 'in anon').to.deep.equal(uids(instances));
  for (const { sopInstanceUid, file } of instances) {
    await expectSamePixels(raw.get(sopInstanceUid)!, file);
    await expectRelayed(anon.get(sopInstanceUid)!, raw.get(sopInstanceUid)!, projectName);
  }
}

async function expectSamePixels(stored: DicomSource, file: string): Promise<void> {
  if (readDicomHead(file).elements.has('7fe00010'))
    expect(await pixelDataDigest(stored), 'pixel data').to.equal(await pixelDataDigest(file));
}

/** The same bytes in the same transfer syntax, but for the project's private element. */
export async function expectRelayed(
  inAnon: DicomSource,
  inRaw: DicomSource,
  projectName: string | null = PROJECT,
): Promise<void> {
  const [source, copy] = [readDicomHead(inRaw), readDicomHead(inAnon)];
  expect(copy.transferSyntax, 'transfer syntax').to.equal(source.transferSyntax);
  expect(copy.sopClassUid).to.equal(source.sopClassUid);
  if (source.elements.has('7fe00010'))
    expect(await pixelDataDigest(inAnon), 'pixel data').to.equal(await pixelDataDigest(inRaw));
  expect(await datasetDigest(inAnon, ['000d']), 'the data set').to.equal(
    await datasetDigest(inRaw, ['000d']),
  );
  const tag = [copy.text('000d0010'), copy.text('000d1001')];
  expect(tag, 'the private element').to.deep.equal(
    projectName === null ? [undefined, undefined] : ['UCLH PIXL', projectName],
  );
}

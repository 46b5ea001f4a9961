import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  DeidentifyingStore,
  keepsNoPseudonyms,
  RulesOfProjects,
  type KnownPseudonyms,
  type ProjectRulesOptions,
} from '../../src/anon/index.js';
import { silentLogger } from '../../src/core/log.js';
import { FileStore, InstanceRefusedError, type StoredInstance } from '../../src/dimse/index.js';
import { PATIENT, made } from '../deidentify/made.js';
import {
  chunksOf,
  encode,
  EXPLICIT,
  streamOf,
  type Element,
  type Syntax,
} from '../dimse/data-set/elements.js';

export const CT = '1.2.840.10008.5.1.4.1.1.2';

export const RULES: ProjectRulesOptions = {
  secret: Buffer.alloc(32, 'k'),
  shiftDays: 365,
  projectsFolder: null,
  project: null,
  options: [],
  allowedSopClasses: [],
};

/** Runs `work` with a de-identifying store on a folder. */
export async function withAnon(
  folder: string,
  rules: Partial<ProjectRulesOptions>,
  work: (store: DeidentifyingStore) => Promise<void>,
  known: KnownPseudonyms = keepsNoPseudonyms,
): Promise<void> {
  const files = await FileStore.open(folder, silentLogger);
  const store = new DeidentifyingStore(
    files,
    new RulesOfProjects({ ...RULES, ...rules }),
    known,
    silentLogger,
  );
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

/** Stores an instance of {@link PATIENT} with these elements; `bytes` in the place of what they make. */
export function storeMade(
  store: DeidentifyingStore,
  extra: readonly Element[] = [],
  {
    syntax = EXPLICIT,
    sopInstanceUid = PATIENT.instance,
    bytes = encode(made(extra), syntax),
  }: { readonly syntax?: Syntax; readonly sopInstanceUid?: string; readonly bytes?: Buffer } = {},
): Promise<StoredInstance> {
  return store.store({
    ...{ sopClassUid: CT, sopInstanceUid, transferSyntaxUid: syntax.uid, sourceAeTitle: 'WARD3CT' },
    dataSet: streamOf(chunksOf(bytes, 1000)),
  });
}

/** The status that an instance is refused with, and its Error Comment. */
export async function refusalOf(stored: Promise<unknown>): Promise<readonly [string, string]> {
  try {
    await stored;
  } catch (error) {
    if (!(error instanceof InstanceRefusedError)) throw error;
    return [error.status.toString(16), error.problem];
  }
  throw new Error('it was not refused');
}

/** All that a folder tells: the names of files and folders, and every byte of the files. */
export function everythingIn(folder: string): string {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  return names
    .map((name) => {
      const path = join(folder, name);
      return `${name}\n${statSync(path).isFile() ? readFileSync(path, 'latin1') : ''}`;
    })
    .join('\n');
}

export const dicomFilesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.dcm'));

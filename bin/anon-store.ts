import {
  askedOnce,
  DeidentifyingStore,
  keepsNoPseudonyms,
  requireKeyOfDatabase,
  requireKeyOfFolder,
  RulesOfProjects,
  type ProjectRulesOptions,
} from '../src/anon/index.js';
import { ImagePseudonyms, type Database } from '../src/core/db/index.js';
import type { Logger } from '../src/core/log.js';
import { keyCheckValue } from '../src/deidentify/index.js';
import { FileStore, type InstanceStore } from '../src/dimse/index.js';

export interface AnonStoreOptions {
  readonly folder: string;
  readonly rules: ProjectRulesOptions;
  /** Where pseudonyms are kept; null = the key alone decides. */
  readonly database: Database | null;
  readonly log: Logger;
}

/**
 * A store on a folder that holds de-identified instances alone.
 *
 * @throws NodeStartError, DeidentificationKeyError; what the database throws
 */
export async function openAnonStore(options: AnonStoreOptions): Promise<InstanceStore> {
  const { folder, rules, database, log } = options;
  const checkValue = keyCheckValue(rules.secret);
  if (database !== null) await requireKeyOfDatabase(database, checkValue);
  const store = await FileStore.open(folder, log);
  try {
    await requireKeyOfFolder(folder, checkValue, store.index.size);
  } catch (error) {
    await store.close();
    throw error;
  }
  log.info({ operation: 'de-identify', key: checkValue }, 'what is stored is de-identified');
  const known = database === null ? keepsNoPseudonyms : askedOnce(new ImagePseudonyms(database));
  return new DeidentifyingStore(store, new RulesOfProjects(rules), known, log);
}

import type { Closers } from '../src/core/closers.js';
import { variables } from '../src/core/config/variables.js';
import type { Logger } from '../src/core/log.js';
import type { InstanceStore } from '../src/dimse/index.js';
import { openAnonStore } from './anon-store.js';
import { database } from './database.js';
import { readSecret } from './deidentify-key.js';
import { readConfig } from './environment.js';
import { optionFault, profileOption } from './profile-option.js';
import { UsageError } from './usage-error.js';

export interface DeidentifyingNodeOptions {
  readonly project?: string;
  readonly option: readonly string[];
  readonly allowSopClass: readonly string[];
}

/**
 * The store of `node --deidentify`, with the key, the projects and the database of the environment.
 *
 * @throws UsageError, ConfigurationError, NodeStartError, DeidentificationKeyError; what the database throws
 */
export async function deidentifyingStore(
  { project, option, allowSopClass }: DeidentifyingNodeOptions,
  folder: string,
  log: Logger,
  closers: Closers,
): Promise<InstanceStore> {
  const config = readConfig();
  const { keyFile, shiftDays, projectsDir } = config.deidentification;
  if (keyFile === null)
    throw new UsageError(`--deidentify wants a secret: set ${variables.deidentifyKeyFile.name} to its file`);
  const options = option.map(profileOption);
  const rules = {
    secret: readSecret(keyFile),
    shiftDays,
    projectsFolder: projectsDir,
    project: project ?? null,
    options,
    allowedSopClasses: allowSopClass,
  };
  const opened = config.database === null ? null : database(config, log, closers);
  try {
    return await openAnonStore({ folder, rules, database: opened, log });
  } catch (error) {
    throw optionFault(error);
  }
}

import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { updateSetting, type Database } from '../core/db/index.js';
import { DeidentificationKeyError } from './errors.js';

const NAME = '.deidentification-key';
const SETTING = 'deidentification-key';

/**
 * Sees to it that a folder's instances are all made with one key: what tells the key from others is kept in it.
 *
 * @param checkValue of the key ({@link keyCheckValue})
 * @param instances how many the folder holds
 * @throws DeidentificationKeyError when it was another key, or when there are instances and there was none
 */
export async function requireKeyOfFolder(
  folder: string,
  checkValue: string,
  instances: number,
): Promise<void> {
  const path = join(folder, NAME);
  const kept = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (kept !== null && kept.trim() !== '') {
    requireSame(kept.trim(), checkValue, `the folder ${folder}`);
    return;
  }
  if (instances > 0)
    throw new DeidentificationKeyError(
      `the folder ${folder} holds ${instances} instances that were not de-identified here; take another folder`,
    );
  const handle = await open(path, 'w', 0o600);
  try {
    await handle.writeFile(`${checkValue}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The same for the pseudonyms in a database. @throws DeidentificationKeyError; what the database throws */
export async function requireKeyOfDatabase(database: Database, checkValue: string): Promise<void> {
  await updateSetting(database, SETTING, (setting) => {
    if (setting !== undefined) requireSame(setting.value, checkValue, 'the database');
    return checkValue;
  });
}

function requireSame(kept: unknown, checkValue: string, where: string): void {
  if (kept !== checkValue)
    throw new DeidentificationKeyError(
      `the key is another one than the one that ${where} was begun with: its check value is ${checkValue}, not ${String(kept)}`,
    );
}

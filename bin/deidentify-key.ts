import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { MIN_SECRET_LENGTH } from '../src/deidentify/pseudonyms.js';
import { UsageError } from './usage-error.js';

/**
 * The secret from which pseudonyms are made: the file's bytes, without a line break at their end.
 *
 * @throws UsageError when it can't be read, is too short, or may be read by everybody
 */
export function readSecret(file: string): Buffer {
  let secret: Buffer;
  try {
    if ((statSync(file).mode & 0o007) !== 0)
      throw new UsageError(`the key file ${file} may be read by everybody: chmod 600`);
    secret = readFileSync(file);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`the key file ${file} can't be read: ${codeOf(error)}`);
  }
  const end = secret.at(-1) === 0x0a ? secret.length - (secret.at(-2) === 0x0d ? 2 : 1) : secret.length;
  if (end < MIN_SECRET_LENGTH)
    throw new UsageError(`the key file ${file} holds fewer than ${MIN_SECRET_LENGTH} bytes`);
  return secret.subarray(0, end);
}

/**
 * The same of a folder that keeps its own; made at the first time, for its owner's eyes alone.
 *
 * @returns the secret, and whether it was made now
 */
export async function ownSecret(file: string): Promise<{ readonly secret: Buffer; readonly made: boolean }> {
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(`${randomBytes(MIN_SECRET_LENGTH).toString('hex')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return { secret: readSecret(file), made: true };
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return { secret: readSecret(file), made: false };
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unexpected';
}

import { createInterface } from 'node:readline';
import { patientId } from '../../src/core/ids.js';
import { InvalidValueError } from '../../src/core/errors.js';
import { MrnHashes } from '../../src/core/opt-out.js';
import { readSecret } from '../deidentify-key.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printLine } from '../output.js';
import { UsageError } from '../usage-error.js';

/** MRNs from standard input, one a line, as lines of an opt-out list that name nobody. Comments and blank lines stay. */
export async function hashOptOuts(input: NodeJS.ReadableStream = process.stdin): Promise<ExitCode> {
  const { keyFile } = readConfig().deidentification;
  if (keyFile === null) throw new UsageError('hashes need a key: PIXL_DEIDENTIFY_KEY_FILE is not set');
  const hashes = new MrnHashes(readSecret(keyFile));
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    number += 1;
    const [, mrn = '', comment = ''] = /^\ufeff?(.*?)((?:^|\s+)#.*)?$/.exec(line) ?? [];
    printLine(`${mrn.trim() === '' ? '' : hashed(mrn, number, hashes)}${comment}`);
  }
  return Exit.Done;
}

/** What is a hash already stays. */
function hashed(mrn: string, number: number, hashes: MrnHashes): string {
  if (mrn.trim().startsWith('hmac:')) return mrn.trim();
  try {
    return hashes.line(patientId(mrn));
  } catch (error) {
    if (error instanceof InvalidValueError)
      throw new UsageError(`line ${number} is no MRN: ${error.problem}`);
    throw error;
  }
}

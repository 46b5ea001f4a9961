import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pixlRemarks, readDotEnv, type Environment } from '../../src/core/config/index.js';
import { dotEnv, givenEnvironment } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine, printRemark } from '../output.js';
import { UsageError } from '../usage-error.js';

/** From dist/bin/commands/ the package is three folders up. */
const OWN_SAMPLE = fileURLToPath(new URL('../../../.env.sample', import.meta.url));

export interface CheckEnvOptions {
  readonly error?: true;
  readonly sampleEnvFile?: string;
  readonly json?: true;
}

/** A variable that is there and empty counts as set, as with PIXL: a copy of the sample is a whole .env. */
export function checkEnv(options: CheckEnvOptions): ExitCode {
  const sample = readSample(options.sampleEnvFile ?? OWN_SAMPLE);
  const given: Environment = { ...dotEnv(), ...process.env };
  const missing = Object.keys(sample).filter((name) => given[name] === undefined);
  const remarks = pixlRemarks(givenEnvironment());
  if (options.json === true)
    printJson({
      missing,
      from_pixl: remarks.map(({ variables, detail, mend }) => ({ variables, detail, mend })),
    });
  else {
    for (const name of missing) printLine(`${name} is not set`);
    for (const { variables, detail, mend } of remarks)
      printRemark(`${variables[0] ?? ''}: ${detail}${mend === null ? '' : `; ${mend}`}`);
  }
  if (missing.length === 0 && options.json !== true) printRemark('every variable is set');
  return missing.length > 0 && options.error === true ? Exit.Failed : Exit.Done;
}

function readSample(path: string): Environment {
  try {
    return readDotEnv(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new UsageError(`the sample file ${path} can't be read (${code})`);
  }
}

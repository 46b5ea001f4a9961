import type { Rate } from '../../src/api/index.js';
import { ApiClient } from '../api-client.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine } from '../output.js';
import { UsageError } from '../usage-error.js';
import { rateSetText, setRates, withKnownQueues } from './rate-command.js';

export interface StartOptions {
  readonly rate?: Rate;
  readonly queues?: readonly string[];
  readonly json?: true;
}

export function start(options: StartOptions): Promise<ExitCode> {
  return withKnownQueues(() => startAtRate(options));
}

async function startAtRate(options: StartOptions): Promise<ExitCode> {
  const config = readConfig();
  const rate = options.rate ?? config.rate.perSecond;
  if (rate === 0) throw new UsageError('a rate of 0 starts nothing; name another with --rate');
  const set = await setRates(new ApiClient(config.api), rate, options.queues);
  if (options.json === true) printJson(set);
  else for (const one of set) printLine(rateSetText(one));
  return Exit.Done;
}

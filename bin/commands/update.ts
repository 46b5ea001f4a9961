import type { Rate } from '../../src/api/index.js';
import { ApiClient } from '../api-client.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine } from '../output.js';
import { rateSetText, setRates, withKnownQueues } from './rate-command.js';

export interface UpdateOptions {
  readonly rate: Rate;
  readonly queues?: readonly string[];
  readonly json?: true;
}

export function update(options: UpdateOptions): Promise<ExitCode> {
  return withKnownQueues(() => updateRate(options));
}

async function updateRate(options: UpdateOptions): Promise<ExitCode> {
  const set = await setRates(new ApiClient(readConfig().api), options.rate, options.queues);
  if (options.json === true) printJson(set);
  else for (const one of set) printLine(rateSetText(one));
  return Exit.Done;
}

import type { Command } from 'commander';
import type { Rate } from '../../src/api/index.js';
import { ApiClient } from '../api-client.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine } from '../output.js';
import {
  queueList,
  QUEUES_OPTION,
  rateOption,
  rateSetText,
  setRates,
  withKnownQueues,
} from './rate-command.js';

interface UpdateOptions {
  readonly rate: Rate;
  readonly queues?: readonly string[];
  readonly json?: true;
}

export function addUpdateCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('update')
    .description('Sets the rate of the running daemon; in force within a second, kept over restarts.')
    .requiredOption('--rate <rate>', 'per second, or unlimited; 0 pauses', rateOption)
    .option(...QUEUES_OPTION, queueList)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging update --rate 2.5')
    .action(async (options: UpdateOptions) => done(await withKnownQueues(() => update(options))));
}

async function update(options: UpdateOptions): Promise<ExitCode> {
  const set = await setRates(new ApiClient(readConfig().api), options.rate, options.queues);
  if (options.json === true) printJson(set);
  else for (const one of set) printLine(rateSetText(one));
  return Exit.Done;
}

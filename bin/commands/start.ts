import type { Command } from 'commander';
import type { Rate } from '../../src/api/index.js';
import { ApiClient } from '../api-client.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine } from '../output.js';
import { UsageError } from '../usage-error.js';
import {
  queueList,
  QUEUES_OPTION,
  rateOption,
  rateSetText,
  setRates,
  withKnownQueues,
} from './rate-command.js';

interface StartOptions {
  readonly rate?: Rate;
  readonly queues?: readonly string[];
  readonly json?: true;
}

export function addStartCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('start')
    .description('Lets the running daemon work on its queues, at a rate.')
    .option('--rate <rate>', 'per second, or unlimited; default: PIXL_IMAGING_API_RATE', rateOption)
    .option(...QUEUES_OPTION, queueList)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging start --rate 5 --queues imaging-primary')
    .action(async (options: StartOptions) => done(await withKnownQueues(() => start(options))));
}

async function start(options: StartOptions): Promise<ExitCode> {
  const config = readConfig();
  const rate = options.rate ?? config.rate.perSecond;
  if (rate === 0) throw new UsageError('a rate of 0 starts nothing; name another with --rate');
  const set = await setRates(new ApiClient(config.api), rate, options.queues);
  if (options.json === true) printJson(set);
  else for (const one of set) printLine(rateSetText(one));
  return Exit.Done;
}

import { InvalidArgumentError, type Command } from 'commander';
import { MAX_PRIORITY } from '../../src/queue/broker.js';
import type { PopulateCommandOptions } from '../commands/populate.js';
import type { ExitCode } from '../exit-codes.js';
import { addCohortOptions, COHORT_WORDS, EMBEDDED_OPTION, queueList, rateOption } from './options.js';

export function addPopulateCommand(program: Command, done: (code: ExitCode) => void): void {
  addCohortOptions(program.command('populate'))
    .description(
      'Requests every study of a cohort that is not exported yet, and asks again for what does not come.',
    )
    .argument('<path>', "a CSV, or an OMOP extract's folder")
    .option(
      '--queues <names>',
      "publish to these, separated by commas; default: the primary archive's",
      queueList,
    )
    .option('--priority <n>', `1 (lowest) to ${MAX_PRIORITY}`, priority, 1)
    .option('--start', 'start the daemon afterwards', true)
    .option('--no-start', 'publish only: start nothing, wait for nothing')
    .option(
      '--rate <rate>',
      'start at this rate per second, or unlimited; default: PIXL_IMAGING_API_RATE',
      rateOption,
    )
    .option(
      '--num-retries <n>',
      'ask again so many times, CLI_RETRY_SECONDS apart, while more arrives',
      count,
      5,
    )
    .option('--dry-run', 'read and count the cohort; change nothing anywhere')
    .option(...EMBEDDED_OPTION)
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      COHORT_WORDS +
        '\n\nA study is delivered when the anonymising store has acknowledged all of it, and exported when it' +
        '\nis in the safe haven. It has arrived when it is exported, or where this deployment takes it by' +
        '\nitself: delivered, or in the raw store with ORTHANC_AUTOROUTE_RAW_TO_ANON=false. What has not' +
        '\narrived is asked for again. Ends with 0 when everything has arrived, with 4 when not, with 3 when' +
        '\nthe cohort asks for nothing.' +
        '\n\nA run that was broken off is gone on with by the same command.' +
        '\n\nExample:\n  $ pixl-imaging populate ./omop-extract --rate 5 --num-retries 3',
    )
    .action(async (path: string, options: PopulateCommandOptions) => {
      const { populate } = await import('../commands/populate.js');
      done(await populate(path, options));
    });
}

function priority(text: string): number {
  const value = Number(text);
  if (!/^\d$/.test(text) || value < 1 || value > MAX_PRIORITY)
    throw new InvalidArgumentError(`not a whole number from 1 to ${MAX_PRIORITY}.`);
  return value;
}

function count(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('not a whole number.');
  return Number(text);
}

import type { Command } from 'commander';
import type { StartOptions } from '../commands/start.js';
import type { ExitCode } from '../exit-codes.js';
import { queueList, QUEUES_OPTION, rateOption } from './options.js';

export function addStartCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('start')
    .description('Lets the running daemon work on its queues, at a rate.')
    .option('--rate <rate>', 'per second, or unlimited; default: PIXL_IMAGING_API_RATE', rateOption)
    .option(...QUEUES_OPTION, queueList)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging start --rate 5 --queues imaging-primary')
    .action(async (options: StartOptions) => {
      const { start } = await import('../commands/start.js');
      done(await start(options));
    });
}

import type { Command } from 'commander';
import type { UpdateOptions } from '../commands/update.js';
import type { ExitCode } from '../exit-codes.js';
import { queueList, QUEUES_OPTION, rateOption } from './options.js';

export function addUpdateCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('update')
    .description('Sets the rate of the running daemon; in force within a second, kept over restarts.')
    .requiredOption('--rate <rate>', 'per second, or unlimited; 0 pauses', rateOption)
    .option(...QUEUES_OPTION, queueList)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging update --rate 2.5')
    .action(async (options: UpdateOptions) => {
      const { update } = await import('../commands/update.js');
      done(await update(options));
    });
}

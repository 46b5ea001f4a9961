import type { Command } from 'commander';
import type { StopOptions } from '../commands/stop.js';
import type { ExitCode } from '../exit-codes.js';
import { queueList, QUEUES_OPTION } from './options.js';

export function addStopCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('stop')
    .description('Pauses the running daemon: sets the rate to 0. What is on the queues stays there.')
    .option(...QUEUES_OPTION, queueList)
    .option('--purge', 'then throw away what waits on the queues, for good; not what is being worked on')
    .option('--yes', 'ask nobody before --purge: for scripts')
    .option('--embedded', 'the queues to --purge are those in PIXL_EMBEDDED_DIR')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ pixl-imaging stop --queues imaging-secondary\n  $ pixl-imaging stop --purge --yes',
    )
    .action(async (options: StopOptions) => {
      const { stop } = await import('../commands/stop.js');
      done(await stop(options));
    });
}

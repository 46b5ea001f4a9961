import { InvalidArgumentError, type Command } from 'commander';
import type { StatusOptions } from '../commands/status.js';
import type { ExitCode } from '../exit-codes.js';
import { queueList, QUEUES_OPTION } from './options.js';

export function addStatusCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('status')
    .description('What the running daemon is doing: queues, running studies, outcomes.')
    .option(...QUEUES_OPTION, queueList)
    .option('--watch', 'again and again, until Ctrl-C')
    .option('--every <seconds>', 'how often, with --watch', seconds, 2)
    .option('--json', 'print the result as JSON; with --watch a line each time')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging status --watch')
    .action(async (options: StatusOptions) => {
      const { status } = await import('../commands/status.js');
      done(await status(options));
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0.1 || value > 3_600)
    throw new InvalidArgumentError('not a number of seconds from 0.1 to 3600.');
  return value;
}

import type { Command } from 'commander';
import type { FailedOptions, FailedPurgeOptions } from '../commands/failed.js';
import type { ExitCode } from '../exit-codes.js';
import { addFailedOptions, EMBEDDED_OPTION } from './options.js';

export function addFailedCommand(program: Command, done: (code: ExitCode) => void): void {
  const failed = program
    .command('failed')
    .description('What is in the failed queue: `failed list` shows it, `failed purge` throws it away.')
    .addHelpText(
      'after',
      '\n`retry` moves messages back instead.\n\nExamples:\n  $ pixl-imaging failed list' +
        '\n  $ pixl-imaging failed purge',
    );
  addFailedOptions(failed.command('list'))
    .description('Messages by project, outcome, code and reason.')
    .option(...EMBEDDED_OPTION)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging failed list --project "My Project"')
    .action(async (options: FailedOptions) => {
      const { listFailed } = await import('../commands/failed.js');
      done(await listFailed(options));
    });
  addFailedOptions(failed.command('purge'))
    .description('Throws messages away, for good. Asks first.')
    .option('--yes', 'ask nobody: for scripts')
    .option(...EMBEDDED_OPTION)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging failed purge --reason MESSAGE_REJECTED --yes')
    .action(async (options: FailedPurgeOptions) => {
      const { purgeFailed } = await import('../commands/failed.js');
      done(await purgeFailed(options));
    });
}

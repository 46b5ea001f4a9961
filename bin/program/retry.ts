import { InvalidArgumentError, type Command } from 'commander';
import type { RetryOptions } from '../commands/retry.js';
import type { ExitCode } from '../exit-codes.js';
import { addFailedOptions, EMBEDDED_OPTION } from './options.js';

export function addRetryCommand(program: Command, done: (code: ExitCode) => void): void {
  addFailedOptions(program.command('retry'))
    .description('Moves messages from the failed queue back to the queues that they came from.')
    .option('--export', 'only studies that were delivered and could not be exported')
    .option('--dry-run', 'say how many would be moved where; move none')
    .option('--limit <n>', 'at most so many', positiveInteger)
    .option(...EMBEDDED_OPTION)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging retry --reason missing --limit 100 --dry-run')
    .action(async (options: RetryOptions) => {
      const { retry } = await import('../commands/retry.js');
      done(await retry(options));
    });
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('not a whole number above 0.');
  return value;
}

import { Argument, type Command } from 'commander';
import type { Action, MigrateOptions } from '../commands/migrate.js';
import type { ExitCode } from '../exit-codes.js';
import { EMBEDDED_OPTION } from './options.js';

export function addMigrateCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('migrate')
    .description("Brings the database's schema up to date, takes it back, or says how it is.")
    .addArgument(
      new Argument('[action]', 'up: run what is pending; down: take all of it back; status: change nothing')
        .choices(['up', 'down', 'status'])
        .default('up'),
    )
    .option(...EMBEDDED_OPTION)
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      "\n`down` drops the ledger with what it holds. PIXL's tables, and the rows of a cohort, always stay." +
        '\n\nExample:\n  $ pixl-imaging migrate status',
    )
    .action(async (action: Action, options: MigrateOptions) => {
      const { migrate } = await import('../commands/migrate.js');
      done(await migrate(action, options));
    });
}

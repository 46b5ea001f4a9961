import { Option, type Command } from 'commander';
import { ENDINGS } from '../../src/core/db/ledger.js';
import type { ReportOptions } from '../commands/report.js';
import type { ExitCode } from '../exit-codes.js';
import { EMBEDDED_OPTION } from './options.js';

export function addReportCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('report')
    .description('The ledger: every message that came to an end, with its outcome, counts and reason.')
    .option('--project <name>', 'only messages of this project')
    .addOption(new Option('--outcome <outcomes...>', 'only messages that ended so, or so').choices(ENDINGS))
    .option('--json', 'print JSON')
    .option('--wide', 'the table with study UIDs and all counts, a row on one line however wide')
    .option('--csv', 'print CSV, a cohort that populate takes')
    .option(...EMBEDDED_OPTION)
    .addHelpText(
      'after',
      '\nThe table counts images as delivered of expected.' +
        '\n\nExamples:\n  $ pixl-imaging report --project "My Project" --wide' +
        '\n  $ pixl-imaging report --outcome missing incomplete failed --csv > again.csv',
    )
    .action(async (options: ReportOptions) => {
      const { report } = await import('../commands/report.js');
      done(await report(options));
    });
}

import { Option, type Command } from 'commander';
import type { FindOptions } from '../commands/find.js';
import type { ExitCode } from '../exit-codes.js';
import { addStudyOptions, NODE_NAMES } from './options.js';

export function addFindCommand(program: Command, done: (code: ExitCode) => void): void {
  const command = program.command('find').description('Looks a study up by C-FIND.');
  addStudyOptions(command)
    .addOption(
      new Option('--level <level>', 'what to list').choices(['study', 'series', 'image']).default('study'),
    )
    .addOption(new Option('--node <name>', 'where to look').choices(NODE_NAMES).default('primary'))
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ pixl-imaging find --mrn 12345678 --accession AA123456 --level series',
    )
    .action(async (options: FindOptions) => {
      const { find } = await import('../commands/find.js');
      done(await find(options));
    });
}

import { Option, type Command } from 'commander';
import type { PullOptions } from '../commands/pull.js';
import type { ExitCode } from '../exit-codes.js';
import { addStudyOptions } from './options.js';

export function addPullCommand(program: Command, done: (code: ExitCode) => void): void {
  const command = program
    .command('pull')
    .description('Gets one study now, without a queue: find, compare with raw, retrieve, deliver.');
  addStudyOptions(command)
    .option('--series-uid <uids...>', 'only these series')
    .addOption(
      new Option(
        '--archive <name>',
        'where to look; auto asks the secondary for what the primary does not have',
      )
        .choices(['auto', 'primary', 'secondary'])
        .default('auto'),
    )
    .option('--no-deliver', 'leave the study in the raw store')
    .option(
      '--project <name>',
      'the project whose name the delivered instances carry; without it they carry none',
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ pixl-imaging pull --study-uid 1.2.840.113619.2.1 --project "My project"',
    )
    .action(async (options: PullOptions) => {
      const { pull } = await import('../commands/pull.js');
      done(await pull(options));
    });
}

import type { Command } from 'commander';
import type { CheckProjectOptions } from '../commands/check-project.js';
import type { ExitCode } from '../exit-codes.js';

export function addCheckProjectCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('check-project')
    .description(
      "Reads a project's file and those that it names, and says what it keeps and what it leaves out.",
    )
    .argument('<file>', "the project's YAML file")
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nWhat is wrong is named with file, line and key: exit 2.' +
        '\n\nExample:\n  $ pixl-imaging check-project ./projects/my-study.yaml',
    )
    .action(async (file: string, options: CheckProjectOptions) => {
      const { checkProject } = await import('../commands/check-project.js');
      done(await checkProject(file, options));
    });
}

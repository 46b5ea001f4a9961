import type { Command } from 'commander';
import type { CheckEnvOptions } from '../commands/check-env.js';
import type { ExitCode } from '../exit-codes.js';

export function addCheckEnvCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('check-env')
    .description('Names the variables of the sample file that neither the environment nor .env has.')
    .option('--error', 'end with exit code 1 when there are any')
    .option('--sample-env-file <file>', "the variables to look for; default: the program's own .env.sample")
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging check-env --error --sample-env-file .env.sample')
    .action(async (options: CheckEnvOptions) => {
      const { checkEnv } = await import('../commands/check-env.js');
      done(checkEnv(options));
    });
}

import type { Command } from 'commander';
import type { ExitCode } from '../exit-codes.js';

export function addOptOutCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('opt-out')
    .description('The list of patients who opted out (PIXL_OPT_OUT_FILE).')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging opt-out hash < mrns.txt > opt-outs.txt')
    .command('hash')
    .description(
      'Turns MRNs from standard input, one a line, into lines of such a list that name nobody: keyed by the secret in PIXL_DEIDENTIFY_KEY_FILE.',
    )
    .addHelpText('after', '\nExample:\n  $ pixl-imaging opt-out hash < mrns.txt > opt-outs.txt')
    .action(async () => {
      const { hashOptOuts } = await import('../commands/opt-out.js');
      done(await hashOptOuts());
    });
}

import type { Command } from 'commander';
import type { ExitCode } from '../exit-codes.js';

export function addServeCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('serve')
    .description('The daemon: works on the messages of the imaging queues until it gets SIGTERM or SIGINT.')
    .option(
      '--embedded',
      'with a database and a queue of its own in PIXL_EMBEDDED_DIR, and stores where raw or anon is not configured',
    )
    .addHelpText('after', '\nExample:\n  $ PIXL_AE_TITLE=PIXL pixl-imaging serve')
    .action(async ({ embedded = false }: { embedded?: boolean }) => {
      const { serve } = await import('../commands/serve.js');
      done(await serve(embedded));
    });
}

import type { Command } from 'commander';
import type { ExitCode } from '../exit-codes.js';

export function addDemoCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('demo')
    .description('The whole job on embedded parts, with two archives and studies that it makes.')
    .option('--dir <folder>', 'where the files go, an empty folder; default: a new one for temporary files')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging demo')
    .action(async ({ dir }: { dir?: string }) => {
      const { runDemo } = await import('../commands/demo.js');
      done(await runDemo(dir));
    });
}

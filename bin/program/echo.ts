import type { Command } from 'commander';
import type { ExitCode } from '../exit-codes.js';
import { NODE_NAMES } from './options.js';

export function addEchoCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('echo')
    .description('C-ECHO to the nodes, with the round-trip time.')
    .argument('[nodes...]', `${NODE_NAMES.join(', ')}; default: all that are configured`)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ pixl-imaging echo primary raw')
    .action(async (nodes: readonly string[], options: { json?: true }) => {
      const { echo } = await import('../commands/echo.js');
      done(await echo(nodes, options.json === true));
    });
}

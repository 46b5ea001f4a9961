import { InvalidArgumentError, type Command } from 'commander';
import type { ConsumeCommandOptions } from '../commands/consume.js';
import type { ExitCode } from '../exit-codes.js';

export function addConsumeCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('consume')
    .description("Runs a module of your own on a queue's messages until it gets SIGTERM or SIGINT.")
    .requiredOption('--queue <name>', 'the queue; it is made when there is none')
    .requiredOption('--handler <file>', 'the module: exports an async function handler(delivery, signal)')
    .option('--prefetch <n>', 'messages at a time; default: PIXL_MAX_MESSAGES_IN_FLIGHT', prefetch)
    .addHelpText(
      'after',
      '\nWhat the handler gives and what becomes of the message is in docs/handlers.md.' +
        '\n\nExample:\n  $ pixl-imaging consume --queue ehr --handler ./handler.mjs',
    )
    .action(async (options: ConsumeCommandOptions) => {
      const { runHandler } = await import('../commands/consume.js');
      done(await runHandler(options));
    });
}

function prefetch(text: string): number {
  const value = Number(text);
  if (!/^\d{1,4}$/.test(text) || value < 1)
    throw new InvalidArgumentError('not a whole number from 1 to 9999.');
  return value;
}

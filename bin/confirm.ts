import { createInterface } from 'node:readline/promises';
import { CancelledError } from '../src/core/errors.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

/**
 * Asks whoever sits at the terminal before something is lost for good; `--yes` answers for scripts.
 *
 * @throws UsageError where nobody can be asked, CancelledError when the answer is no
 */
export async function confirm(command: string, what: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new UsageError(`${command} ${what} for good; where nobody can be asked it wants --yes`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${printable(`${command} ${what} for good`)}. Go on? [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new CancelledError(command);
  } finally {
    terminal.close();
  }
}

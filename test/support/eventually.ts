import { setTimeout as sleep } from 'node:timers/promises';
import { Wait } from './patience.js';

/** Longer than anything takes that a test waits for, on a quick and idle machine. */
const PATIENCE_MS = 30_000;

/**
 * Runs `probe` again and again until it does not throw, and gives what it returned.
 * When patience is over (see patience.ts) the probe's last error is thrown, so the failing assertion is what a reader sees.
 *
 * @param options.timeoutMs for what takes long even on a quick, idle machine; less than the default is not less patience
 * @param options.wait in place of all that: says when patience is over
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  options: {
    readonly timeoutMs?: number;
    readonly everyMs?: number;
    readonly wait?: Pick<Wait, 'isOver'>;
  } = {},
): Promise<T> {
  const wait = options.wait ?? new Wait(Math.max(options.timeoutMs ?? 0, PATIENCE_MS));
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (wait.isOver()) throw error;
    }
    await sleep(options.everyMs ?? 25);
  }
}

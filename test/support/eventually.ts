import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Repeats `assertion` until it no longer throws, and gives its result.
 *
 * @throws its last error when `timeoutMs` (default 10,000) are over.
 */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const { timeoutMs = 10_000, everyMs = 20 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      await sleep(everyMs);
    }
  }
}

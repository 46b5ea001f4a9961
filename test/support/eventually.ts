import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Runs `probe` again and again until it does not throw, and gives what it returned.
 * At the deadline the probe's last error is thrown, so the failing assertion is what a reader sees.
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  options?: { timeoutMs?: number; everyMs?: number },
): Promise<T> {
  const deadline = performance.now() + (options?.timeoutMs ?? 5000);
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    await sleep(options?.everyMs ?? 25);
  }
}

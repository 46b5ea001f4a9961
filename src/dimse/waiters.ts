import { InternalError } from '../core/errors.js';

/** Those who wait for something to happen, and look whether it was what they wait for. */
export class Waiters {
  readonly #attempts = new Set<() => void>();

  /**
   * Waits until `look` finds something, or throws; it is asked now and at each {@link wake}.
   *
   * @throws what `look` throws; what `late` makes, after `timeoutMs`
   */
  until<T>(look: () => T | null, timeoutMs: number, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | null = null;
      const attempt = (): void => {
        try {
          const found = look();
          if (found === null) return;
          resolve(found);
        } catch (error) {
          reject(error instanceof Error ? error : new InternalError('not an Error was thrown'));
        }
        if (timer !== null) clearTimeout(timer);
        this.#attempts.delete(attempt);
      };
      this.#attempts.add(attempt);
      timer = setTimeout(() => {
        this.#attempts.delete(attempt);
        reject(late());
      }, timeoutMs);
      attempt();
    });
  }

  /** Something has happened. */
  wake(): void {
    for (const attempt of [...this.#attempts]) attempt();
  }
}

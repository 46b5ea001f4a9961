import { CancelledError } from '../core/errors.js';

export interface SemaphoreOptions<Class extends string> {
  /** How many places there are. */
  readonly places: number;
  /** The most of them that a class may have at once, at least 1; one that is left out may have all. */
  readonly most?: Readonly<Partial<Record<Class, number>>>;
}

interface Waiter<Class extends string, Gift> {
  readonly of: Class;
  readonly admit: (gift: Gift | null) => void;
}

/**
 * A number of places for work of several classes, which may be bounded each. Who waits is let in in the order of asking, but for those
 * whose class has no place now: they let others by. With a place something may be handed on to the next of the same class.
 */
export class FairSemaphore<Class extends string, Gift = never> {
  readonly #options: SemaphoreOptions<Class>;
  readonly #taken = new Map<Class, number>();
  readonly #line: Waiter<Class, Gift>[] = [];

  constructor(options: SemaphoreOptions<Class>) {
    this.#options = options;
  }

  get taken(): number {
    return [...this.#taken.values()].reduce((sum, count) => sum + count, 0);
  }

  get waiting(): number {
    return this.#line.length;
  }

  /**
   * Waits for a place.
   *
   * @param operation what is waited for, for the error
   * @returns what was handed on with it, or null
   * @throws CancelledError
   */
  acquire(of: Class, operation: string, signal?: AbortSignal): Promise<Gift | null> {
    if (signal?.aborted === true) return Promise.reject(new CancelledError(operation));
    if (this.#hasRoom(of)) {
      this.#take(of, 1);
      return Promise.resolve(null);
    }
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#line.splice(this.#line.indexOf(waiter), 1);
        reject(new CancelledError(operation));
      };
      const waiter: Waiter<Class, Gift> = {
        of,
        admit: (gift) => {
          signal?.removeEventListener('abort', cancel);
          resolve(gift);
        },
      };
      this.#line.push(waiter);
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** Takes a place that nobody else wants: there is room, and nobody waits. */
  tryAcquire(of: Class): boolean {
    if (!this.canTake(of)) return false;
    this.#take(of, 1);
    return true;
  }

  /** Whether {@link tryAcquire} would take one, if `free` more places were given back before. */
  canTake(of: Class, free = 0): boolean {
    return this.#line.length === 0 && this.#hasRoom(of, free);
  }

  /** Gives a place back. */
  release(of: Class): void {
    this.#take(of, -1);
    const next = this.#line.find((waiter) => this.#hasRoom(waiter.of));
    if (next === undefined) return;
    this.#take(next.of, 1);
    this.#admit(next, null);
  }

  /** Gives a place with something in it to who is next, if that is one of the same class. @returns whether it is taken */
  handOn(of: Class, gift: Gift): boolean {
    const next = this.#nextAfter(of);
    if (next?.of !== of) return false;
    this.#admit(next, gift);
    return true;
  }

  /** Whom a place of this class would let in if it were given back; null = nobody that it would help. */
  nextAfter(of: Class): Class | null {
    return this.#nextAfter(of)?.of ?? null;
  }

  #nextAfter(of: Class): Waiter<Class, Gift> | undefined {
    this.#take(of, -1);
    const next = this.#line.find((waiter) => this.#hasRoom(waiter.of));
    this.#take(of, 1);
    return next;
  }

  #hasRoom(of: Class, free = 0): boolean {
    const { places, most } = this.#options;
    if (this.taken - free >= places) return false;
    const bound = most?.[of];
    return bound === undefined || (this.#taken.get(of) ?? 0) < Math.max(1, bound);
  }

  #take(of: Class, places: number): void {
    this.#taken.set(of, (this.#taken.get(of) ?? 0) + places);
  }

  #admit(waiter: Waiter<Class, Gift>, gift: Gift | null): void {
    this.#line.splice(this.#line.indexOf(waiter), 1);
    waiter.admit(gift);
  }
}

import type { Clock } from '../../src/core/breaker.js';

/** Lets what can go on without time passing go on. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Makes each timer of 0 ms, of which Bottleneck sets several a job, a turn of the event loop, and knows of all that are set: what
 * takes no time takes none, and its end is known.
 */
export class ZeroTimers {
  readonly #setTimeout = globalThis.setTimeout;
  #pending = 0;

  install(): void {
    const zero = (run: () => void): NodeJS.Immediate => {
      this.#pending += 1;
      return setImmediate(() => {
        this.#pending -= 1;
        run();
      });
    };
    const set = (run: () => void, ms = 0): unknown => (ms === 0 ? zero(run) : this.#setTimeout(run, ms));
    globalThis.setTimeout = Object.assign(set, this.#setTimeout);
  }

  restore(): void {
    globalThis.setTimeout = this.#setTimeout;
  }

  /** Resolves when none is left. */
  readonly settled = async (): Promise<void> => {
    do await settled();
    while (this.#pending > 0);
  };
}

/** Time that stands still until it is moved. */
export class FakeClock implements Clock {
  readonly #settled: () => Promise<void>;
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  /** @param untilSettled resolves when nothing can go on any more without time passing */
  constructor(untilSettled = settled) {
    this.#settled = untilSettled;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    while (await this.#next(until));
    this.#now = until;
    await this.#settled();
  }

  /** Lets time pass until some work has ended. @throws what it throws; an Error when nothing is left that it could wait for */
  async until<T>(work: Promise<T>): Promise<T> {
    const progress = { ended: false };
    const end = (): void => {
      progress.ended = true;
    };
    work.then(end, end);
    while (await this.#next(Infinity, progress));
    if (!progress.ended) throw new Error('no timer is set, and the work has not ended');
    return work;
  }

  /** @returns false when no timer is due by then, or nobody wants it any more */
  async #next(until: number, progress = { ended: false }): Promise<boolean> {
    await this.#settled();
    const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
    if (next === undefined || next.at > until || progress.ended) return false;
    this.#now = next.at;
    this.#timers.delete(next);
    next.run();
    return true;
  }
}

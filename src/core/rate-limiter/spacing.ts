import type { Clock } from '../breaker.js';

/** The archive's times are remembered for so many batches. */
const REMEMBERED = 8;
/** Of the distance: what a steady archive may be slower than the rate, where 5 % are allowed. */
const CUSHION = 0.03;

interface Held {
  readonly endedAt: number;
  readonly release: () => Promise<void>;
  cancelTimer: (() => void) | undefined;
}

/**
 * Keeps single images apart, when the capacity is too small for anything else (see plan.ts): the place in flight of
 * one that has arrived is held until the next may be admitted. That begins at the end, which is later than the arrival, and
 * the next needs its time, too; so the archive's shortest time is taken off, but for what its times differ by: a
 * steady archive costs no speed, and with an unsteady one the limit holds and the speed suffers.
 */
export class Spacing {
  readonly #held = new Set<Held>();
  readonly #times: number[] = [];
  readonly #clock: Clock;
  #ms: number;

  constructor(ms: number, clock: Clock) {
    this.#ms = ms;
    this.#clock = clock;
  }

  /** Runs `release` when the distance from a batch that took `tookMs` and has ended now is over. */
  after(tookMs: number, release: () => Promise<void>): void {
    this.#times.push(tookMs);
    if (this.#times.length > REMEMBERED) this.#times.shift();
    const held: Held = { endedAt: this.#clock.now(), release, cancelTimer: undefined };
    this.#held.add(held);
    this.#plan(held);
  }

  /** In force for what is held already, too. */
  change(ms: number): void {
    this.#ms = ms;
    for (const held of [...this.#held]) this.#plan(held);
  }

  /** Lets go of everything. */
  async close(): Promise<void> {
    this.#ms = 0;
    await Promise.all([...this.#held].map((held) => this.#letGo(held)));
  }

  #plan(held: Held): void {
    held.cancelTimer?.();
    if (this.#ms === Infinity) return;
    const ms = held.endedAt + this.#ms - this.#spared() - this.#clock.now();
    if (ms <= 0) void this.#letGo(held);
    // Longer than setTimeout can: planned again on the way.
    else if (ms > MAX_TIMER_MS) held.cancelTimer = this.#clock.after(MAX_TIMER_MS, () => this.#plan(held));
    else held.cancelTimer = this.#clock.after(ms, () => void this.#letGo(held));
  }

  /** Nothing before enough is known of the archive. */
  #spared(): number {
    if (this.#times.length < REMEMBERED) return 0;
    const shortest = Math.min(...this.#times);
    const spread = Math.max(...this.#times) - shortest;
    return Math.max(0, shortest - Math.max(CUSHION * this.#ms, 2 * spread));
  }

  async #letGo(held: Held): Promise<void> {
    held.cancelTimer?.();
    if (this.#held.delete(held)) await held.release();
  }
}

const MAX_TIMER_MS = 2 ** 31 - 1;

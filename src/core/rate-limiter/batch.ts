import type { Clock } from '../breaker.js';
import type { Ticket } from './bucket.js';

/** A batch that may leave the archive now. */
export interface Admission {
  /** How many images: at least 1, no more than was asked for. */
  readonly images: number;
  /**
   * Aborted when the batch, still under way half a second after a change of the rate, is larger than anything that
   * the new rate admits at once: the C-MOVE is to be cancelled, and what is missing asked for in new batches.
   */
  readonly revoked: AbortSignal;
  /** Images of this batch that the archive has not sent and will not send any more. */
  giveBack(images: number): void;
}

/** A batch that was admitted and has not ended. */
export class Batch implements Admission {
  readonly images: number;
  /** null = it cost nothing. */
  readonly ticket: Ticket | null;
  readonly #revoke = new AbortController();
  readonly #putBack: (images: number) => void;
  readonly #clock: Clock;
  readonly #begunAt: number;
  #left: number;
  #cancelTimer: (() => void) | undefined;
  #ended = false;

  constructor(images: number, ticket: Ticket | null, putBack: (images: number) => void, clock: Clock) {
    this.images = images;
    this.ticket = ticket;
    this.#left = images;
    this.#putBack = putBack;
    this.#clock = clock;
    this.#begunAt = clock.now();
  }

  get revoked(): AbortSignal {
    return this.#revoke.signal;
  }

  get nothingCame(): boolean {
    return this.#left === 0;
  }

  giveBack(images: number): void {
    const returned = Math.min(this.#left, Math.floor(images));
    if (this.#ended || !(returned > 0)) return;
    this.#left -= returned;
    this.#putBack(returned);
  }

  /** How long it has been under way. */
  ms(): number {
    return this.#clock.now() - this.#begunAt;
  }

  revokeAfter(ms: number): void {
    if (this.#ended) return;
    this.#cancelTimer ??= this.#clock.after(ms, () => this.#revoke.abort());
  }

  settle(): void {
    this.#ended = true;
    this.#cancelTimer?.();
  }
}

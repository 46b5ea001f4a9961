import type { Batch } from './batch.js';

/** Somebody who waits for a batch, or to take a message. */
export interface Waiter {
  readonly kind: 'images' | 'message';
  readonly wanted: number;
  /** All of it at once, whatever the largest batch is. */
  readonly whole: boolean;
  /** When it should have been admitted, if nobody else took what was there; null = not planned yet. */
  dueAt: number | null;
  readonly admit: (batch: Batch) => void;
  readonly reject: (error: Error) => void;
}

/** First come, first served; but images, whose message was taken already, before messages. */
export class WaitingLine {
  #batches: Waiter[] = [];
  #messages: Waiter[] = [];

  get size(): number {
    return this.#batches.length + this.#messages.length;
  }

  get images(): number {
    return this.#batches.length;
  }

  first(): Waiter | undefined {
    return this.#batches[0] ?? this.#messages[0];
  }

  add(waiter: Waiter): void {
    this.#of(waiter).push(waiter);
  }

  /** @returns whether it was there */
  remove(waiter: Waiter): boolean {
    const waiters = this.#of(waiter);
    const at = waiters.indexOf(waiter);
    if (at >= 0) waiters.splice(at, 1);
    return at >= 0;
  }

  /** After a change of the rate. */
  forgetPlans(): void {
    for (const waiter of [...this.#batches, ...this.#messages]) waiter.dueAt = null;
  }

  rejectAll(error: Error): void {
    const all = [...this.#batches, ...this.#messages];
    this.#batches = [];
    this.#messages = [];
    for (const waiter of all) waiter.reject(error);
  }

  #of(waiter: Waiter): Waiter[] {
    return waiter.kind === 'images' ? this.#batches : this.#messages;
  }
}

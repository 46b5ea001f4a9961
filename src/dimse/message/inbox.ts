import type { MessageEvent } from './assembler.js';

/** Received and not yet taken: above `high` the peer is held back, below `low` it may go on. */
const HIGH = { bytes: 512 * 1024, events: 2048 };
const LOW = { bytes: 128 * 1024, events: 512 };

/** What an association has received and nobody has taken yet; says when it is full and when it has room again. */
export class Inbox {
  readonly #onFull: (full: boolean) => void;
  #events: MessageEvent[] = [];
  /** Events before this index are taken; the array is cut now and then, as `shift` on a long one is slow. */
  #first = 0;
  #bytes = 0;
  #full = false;

  constructor(onFull: (full: boolean) => void) {
    this.#onFull = onFull;
  }

  get isEmpty(): boolean {
    return this.#first === this.#events.length;
  }

  put(event: MessageEvent): void {
    this.#events.push(event);
    if (event.kind === 'data') this.#bytes += event.data.length;
    if (!this.#full && (this.#bytes > HIGH.bytes || this.#events.length - this.#first > HIGH.events))
      this.#setFull(true);
  }

  take(): MessageEvent | null {
    const event = this.#events[this.#first];
    if (event === undefined) return null;
    this.#first += 1;
    if (event.kind === 'data') this.#bytes -= event.data.length;
    if (this.#first === this.#events.length || this.#first > LOW.events) {
      this.#events.splice(0, this.#first);
      this.#first = 0;
    }
    if (this.#full && this.#bytes < LOW.bytes && this.#events.length - this.#first < LOW.events)
      this.#setFull(false);
    return event;
  }

  #setFull(full: boolean): void {
    this.#full = full;
    this.#onFull(full);
  }
}

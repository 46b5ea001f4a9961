import type { AcceptedContext } from './negotiation.js';

/** An instance on its way from one association to the other. */
export interface RelayedInstance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** The context of the receiving association that it goes out in. */
  readonly context: AcceptedContext;
}

export type RelayItem =
  | { readonly kind: 'begin'; readonly instance: RelayedInstance }
  | { readonly kind: 'data'; readonly data: Buffer }
  | { readonly kind: 'end' };

/** What an instance counts for besides its bytes, so that very many empty ones are bounded too. */
const INSTANCE_COST = 1024;

/**
 * Between the two sides of a relay: bytes that the source was read for and that the sink has not been given.
 * A writer waits while it is full, a reader while it is empty; each wait ends by what the other side does, and
 * the other side is under the timeouts of its association.
 */
export class RelayChannel {
  readonly #capacity: number;
  #items: RelayItem[] = [];
  #bytes = 0;
  #finished = false;
  #failure: Error | null = null;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;
  /** The sink's status of the instance that was begun last. */
  #status: number | null = null;

  /** @param capacity in bytes; one piece more than that is let in */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Resolves when the item is in. @throws what the channel failed with */
  async put(item: RelayItem): Promise<void> {
    while (this.#failure === null && this.#bytes > this.#capacity)
      await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
    if (this.#failure !== null) throw this.#failure;
    if (item.kind === 'begin') this.#status = null;
    this.#items.push(item);
    this.#bytes += cost(item);
    this.#wakeReader?.();
  }

  /** The next item; null when the source has finished. @throws what the channel failed with */
  async take(): Promise<RelayItem | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#bytes -= cost(item);
        if (this.#bytes <= this.#capacity) this.#wakeWriter?.();
        return item;
      }
      if (this.#finished) return null;
      await new Promise<void>((resolve) => (this.#wakeReader = resolve));
    }
  }

  /** The sink has answered an instance. */
  confirm(status: number): void {
    this.#status = status;
    this.#wakeWriter?.();
  }

  /** The sink's status of the instance that was put last, where each is awaited. @throws what the channel failed with */
  async confirmation(): Promise<number> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#status !== null) return this.#status;
      await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
    }
  }

  /** Nothing more will be put. */
  finish(): void {
    this.#finished = true;
    this.#wakeReader?.();
  }

  /** Both sides stop with this error; what is in the channel is dropped. The first one counts. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#items = [];
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }
}

function cost(item: RelayItem): number {
  switch (item.kind) {
    case 'begin':
      return INSTANCE_COST;
    case 'data':
      return item.data.length;
    case 'end':
      return 0;
  }
}

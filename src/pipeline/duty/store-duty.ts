import { Breaker, systemClock, type Clock } from '../../core/breaker.js';
import { CancelledError, describeError } from '../../core/errors.js';
import type { NodeTrouble } from '../../core/outcome.js';
import { cEcho, DimseStatusError, NoPresentationContextError, type NodeClient } from '../../dimse/index.js';

export interface StoreDutyOptions {
  readonly name: 'raw' | 'anon';
  readonly client: NodeClient;
  readonly queryTimeoutMs: number;
  readonly clock?: Clock;
}

/**
 * Whether one of the research stores is there. While it is not, no archive is asked for anything, because nothing could be done with what it
 * gives. It is probed by C-ECHO: any answer of it will do.
 */
export class StoreDuty {
  readonly name: StoreDutyOptions['name'];
  readonly #options: StoreDutyOptions;
  readonly #breaker: Breaker;
  readonly #listeners = new Set<() => void>();
  readonly #closing = new AbortController();

  constructor(options: StoreDutyOptions) {
    this.#options = options;
    this.name = options.name;
    this.#breaker = new Breaker({
      of: `the ${options.name} store`,
      clock: options.clock ?? systemClock,
      // One failure is enough: until it is there again nothing can be done, and looking costs nothing.
      failures: 1,
      probe: (signal) => this.#probe(signal),
      describe: (trouble) => (typeof trouble === 'string' ? trouble : describeError(trouble)),
      onChange: () => {
        for (const listener of [...this.#listeners]) listener();
      },
    });
  }

  /** Why nothing is begun; null when it is there. */
  get reason(): string | null {
    return this.#breaker.state().reason;
  }

  /** @returns a function that ends the subscription */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * What the work found out about it. When an association has broken off it is asked whether it is still there.
   *
   * @returns whether the trouble is the store's, so that no message is to blame
   */
  async report(kind: NodeTrouble['kind'], reason: string): Promise<boolean> {
    if (kind !== 'lost') {
      if (kind !== 'rejected') this.#breaker.report(kind, reason);
      return true;
    }
    try {
      await this.#probe(this.#closing.signal);
      return false;
    } catch (error) {
      if (!(error instanceof CancelledError)) this.#breaker.report('down', error);
      return true;
    }
  }

  /** Somebody says that it is mended. */
  lookAgain(): void {
    this.#breaker.lookAgain();
  }

  close(): void {
    this.#closing.abort();
    this.#listeners.clear();
    this.#breaker.close();
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { client, queryTimeoutMs } = this.#options;
    try {
      await client.withQueryRetrieve((association) => cEcho(association, queryTimeoutMs), signal);
    } catch (error) {
      // It takes associations; a store need know nothing of C-ECHO.
      if (!(error instanceof DimseStatusError || error instanceof NoPresentationContextError)) throw error;
    }
  }
}

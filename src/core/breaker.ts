import { CancelledError } from './errors.js';

/** Time for what waits; tests have their own. */
export interface Clock {
  /** Milliseconds that only grow. */
  now(): number;
  /** @returns what takes it back */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * How a piece of work with an archive ended. `congested`: it has too much to do (0xA700, 0xA701, a success without images).
 * `rejected`: so much that it takes no association (rejected-transient). `down`: it cannot be reached, or doesn't answer.
 * `refuses`: it will not have us until somebody changes a setting (0xA801, an AE title or a certificate that is not accepted).
 * `ok`: any other answer. With `rejected`, `down` and `refuses` no message is to blame.
 */
export type ArchiveAnswer = 'ok' | 'congested' | 'rejected' | 'down' | 'refuses';

export interface CongestionOptions {
  /** In flight when all is well. */
  readonly max: number;
  readonly clock?: Clock;
  /** After the first congestion, doubling with each that follows. Default 1 s. */
  readonly firstPauseMs?: number;
  /** Default 60 s. */
  readonly longestPauseMs?: number;
  /** The limit or the pause has changed. */
  readonly onChange?: () => void;
}

export interface CongestionState {
  /** In flight at most. */
  readonly limit: number;
  readonly max: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** Nothing is begun for so long; 0 = no pause. */
  readonly pausedForMs: number;
}

/** A place in flight at an archive. */
export interface Turn {
  /** Gives the place back, once; `down`, and null for an archive that was not asked, say nothing of congestion. */
  end(answer: ArchiveAnswer | null): void;
}

/**
 * How much may be in flight at an archive, as TCP finds it out: what congests halves it, down to one, and makes a pause; each
 * success adds a part, so that as many successes as are in flight add one. Several that were in flight together and are all
 * turned away are one congestion.
 */
export class CongestionControl {
  readonly #options: Required<Omit<CongestionOptions, 'onChange'>>;
  readonly #onChange: () => void;
  readonly #waiting: { readonly admit: () => void; readonly reject: (error: Error) => void }[] = [];
  #limit: number;
  #inFlight = 0;
  #congestions = 0;
  #congestedAt = -Infinity;
  #pausedUntil = -Infinity;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(options: CongestionOptions) {
    this.#options = {
      max: options.max,
      clock: options.clock ?? systemClock,
      firstPauseMs: options.firstPauseMs ?? 1_000,
      longestPauseMs: options.longestPauseMs ?? 60_000,
    };
    this.#onChange = options.onChange ?? (() => undefined);
    this.#limit = options.max;
  }

  /** Waits, first come first served, for a place in flight. @throws CancelledError */
  begin(signal: AbortSignal): Promise<Turn> {
    if (signal.aborted || this.#closed) return Promise.reject(new CancelledError('place at the archive'));
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        waiter.reject(new CancelledError('place at the archive'));
      };
      const waiter = {
        admit: (): void => {
          signal.removeEventListener('abort', cancel);
          resolve(this.#turn());
        },
        reject: (error: Error): void => {
          signal.removeEventListener('abort', cancel);
          reject(error);
        },
      };
      signal.addEventListener('abort', cancel, { once: true });
      this.#waiting.push(waiter);
      this.#admit();
    });
  }

  state(): CongestionState {
    return {
      limit: Math.floor(this.#limit),
      max: this.#options.max,
      inFlight: this.#inFlight,
      waiting: this.#waiting.length,
      pausedForMs: Math.max(0, this.#pausedUntil - this.#options.clock.now()),
    };
  }

  /** Whoever waits gets a CancelledError. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    for (const waiter of this.#waiting.splice(0)) waiter.reject(new CancelledError('place at the archive'));
  }

  #turn(): Turn {
    const begunAt = this.#options.clock.now();
    this.#inFlight += 1;
    let ended = false;
    return {
      end: (answer) => {
        if (ended) return;
        ended = true;
        this.#inFlight -= 1;
        if (answer === 'congested' || answer === 'rejected') this.#congested(begunAt);
        else if (answer === 'ok') this.#succeeded(begunAt);
        this.#admit();
      },
    };
  }

  #congested(begunAt: number): void {
    // Begun before the last one was known: the same congestion.
    if (begunAt <= this.#congestedAt) return;
    const { clock, firstPauseMs, longestPauseMs } = this.#options;
    this.#congestedAt = clock.now();
    this.#pausedUntil =
      clock.now() + Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#congestions, 20));
    this.#congestions += 1;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#onChange();
  }

  #succeeded(begunAt: number): void {
    if (begunAt <= this.#congestedAt) return;
    this.#congestions = 0;
    const before = Math.floor(this.#limit);
    this.#limit = Math.min(this.#options.max, this.#limit + 1 / before);
    if (Math.floor(this.#limit) !== before) this.#onChange();
  }

  #admit(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#closed) return;
    const pause = this.#pausedUntil - this.#options.clock.now();
    if (pause > 0) {
      if (this.#waiting.length > 0) this.#cancelTimer = this.#options.clock.after(pause, () => this.#admit());
      return;
    }
    while (this.#waiting.length > 0 && this.#inFlight < Math.floor(this.#limit))
      this.#waiting.shift()?.admit();
  }
}

export interface BreakerOptions {
  /** Whose it is, for reasons. Default "the archive". */
  readonly of?: string;
  /** Asks the node whether it is there (C-ECHO); resolves when it is, rejects when not. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** For people, without identifiers: what the probe's or the work's error is. */
  readonly describe: (error: unknown) => string;
  /** So many in a row without an answer open it. Default 3. */
  readonly failures?: number;
  /** Before the first probe, doubling with each that fails. Default 1 s. */
  readonly firstPauseMs?: number;
  /** Default 60 s. */
  readonly longestPauseMs?: number;
  /** Between two looks at a node that refuses us. Default 60 s. */
  readonly refusedPauseMs?: number;
  readonly clock?: Clock;
  /** It opened or closed: the consumer is to be paused or resumed. */
  readonly onChange: (state: BreakerState) => void;
}

export interface BreakerState {
  /** `closed`: work goes on. `open`: none is begun. `half-open`: the archive is being probed. */
  readonly state: 'closed' | 'open' | 'half-open';
  /** Why it is not closed. */
  readonly reason: string | null;
  /** Without an answer, in a row. */
  readonly failures: number;
  /** Until it is probed; null when it is closed or being probed. */
  readonly nextProbeMs: number | null;
}

/**
 * Keeps the work away from a node that is down or refuses us, and finds out by itself when it is back. While it is open the
 * consumers take no messages, so that none loses an attempt.
 */
export class Breaker {
  readonly #options: Required<BreakerOptions>;
  readonly #stop = new AbortController();
  #state: BreakerState['state'] = 'closed';
  #reason: string | null = null;
  /** It was opened because the node refuses us: what is well otherwise doesn't say that this is mended. */
  #isRefused = false;
  #failures = 0;
  #probes = 0;
  #probeAt = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: BreakerOptions) {
    this.#options = {
      of: 'the archive',
      failures: 3,
      firstPauseMs: 1_000,
      longestPauseMs: 60_000,
      refusedPauseMs: 60_000,
      clock: systemClock,
      ...options,
    };
  }

  /** How work with the node ended; any answer of it shows that it is there. */
  report(answer: ArchiveAnswer, error?: unknown): void {
    if (this.#stop.signal.aborted) return;
    if (answer !== 'down' && answer !== 'refuses') {
      if (!this.#isRefused) this.#close();
      return;
    }
    this.#failures += 1;
    this.#reason = this.#options.describe(error);
    if (answer === 'refuses') this.#isRefused = true;
    if (this.#state !== 'closed') return;
    if (this.#isRefused || this.#failures >= this.#options.failures) this.#open();
  }

  /** Probes now, where it would have waited: somebody says that it is mended. */
  lookAgain(): void {
    if (this.#state !== 'open' || this.#stop.signal.aborted) return;
    this.#cancelTimer?.();
    void this.#probe();
  }

  get isOpen(): boolean {
    return this.#state !== 'closed';
  }

  state(): BreakerState {
    return {
      state: this.#state,
      reason: this.#state === 'closed' ? null : this.#words(),
      failures: this.#failures,
      nextProbeMs: this.#state === 'open' ? Math.max(0, this.#probeAt - this.#options.clock.now()) : null,
    };
  }

  #words(): string {
    const { of } = this.#options;
    return `${of} ${this.#isRefused ? 'refuses us' : 'is down'}: ${this.#reason ?? 'no answer'}`;
  }

  /** No probe is begun any more, and one that is under way is aborted. */
  close(): void {
    this.#stop.abort();
    this.#cancelTimer?.();
  }

  #open(): void {
    this.#state = 'open';
    this.#probes = 0;
    this.#waitForProbe();
    this.#options.onChange(this.state());
  }

  #waitForProbe(): void {
    const { clock, firstPauseMs, longestPauseMs, refusedPauseMs } = this.#options;
    const pause = this.#isRefused
      ? refusedPauseMs
      : Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#probes, 20));
    this.#probeAt = clock.now() + pause;
    this.#cancelTimer = clock.after(pause, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    this.#state = 'half-open';
    this.#probes += 1;
    const { signal } = this.#stop;
    try {
      await this.#options.probe(signal);
    } catch (error) {
      // Work that was under way may have had an answer meanwhile.
      if (signal.aborted || !this.isOpen) return;
      this.#failures += 1;
      this.#reason = this.#options.describe(error);
      this.#state = 'open';
      this.#waitForProbe();
      return;
    }
    if (!signal.aborted) this.#close();
  }

  #close(): void {
    this.#failures = 0;
    this.#isRefused = false;
    if (!this.isOpen) return;
    this.#cancelTimer?.();
    this.#state = 'closed';
    this.#reason = null;
    this.#options.onChange(this.state());
  }
}

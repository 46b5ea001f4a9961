import {
  Breaker,
  CongestionControl,
  systemClock,
  type ArchiveAnswer,
  type Clock,
  type Turn,
} from '../../core/breaker.js';
import { throwIfCancelled } from '../../core/cancel.js';
import { CancelledError, describeError } from '../../core/errors.js';
import { Gate } from '../../core/gate.js';
import { isOpen, nextChange, type AllowedHours } from '../../core/hours.js';
import type { RateLimiter } from '../../core/rate-limiter/index.js';
import { cEcho, type NodeClient } from '../../dimse/index.js';
import type { NodeTrouble } from '../../core/outcome.js';
import type { StoreDuty } from './store-duty.js';

export interface DutyOptions {
  readonly client: NodeClient;
  readonly limiter: RateLimiter;
  /** Those that its studies go to: while one of them is away the archive is not asked. */
  readonly stores?: readonly StoreDuty[];
  readonly hours: AllowedHours;
  readonly timeZone: string;
  /** Messages that are worked on at the same time when all is well. */
  readonly maxInFlight: number;
  readonly queryTimeoutMs: number;
  readonly clock?: Clock;
  /** Milliseconds since 1970, as the clock of the machine has it. Default `Date.now`. */
  readonly wallClock?: () => number;
}

/** A place at the archive, or why it is not to be asked now. */
export type Admission =
  { readonly turn: Turn } | { readonly turn: null; readonly code: string; readonly reason: string };

/** The longest a timer may be out: clocks are set, and a machine may have slept. */
const LOOK_AGAIN_MS = 30_000;

/**
 * When an archive is given work, and how much at once. Its gate is closed while the rate is 0 or shared and unknown,
 * outside the archive's hours, while the archive is down or refuses us, and while a store is; behind it, congestion bounds what is in flight.
 */
export class ArchiveDuty {
  readonly gate = new Gate();
  readonly #options: Required<DutyOptions>;
  readonly #congestion: CongestionControl;
  readonly #breaker: Breaker;
  readonly #forget: (() => void)[] = [];
  /** Of those who wait for their turn. */
  readonly #waits = new Set<AbortController>();
  #cancelTimer: (() => void) | undefined;
  #isClosed = false;

  constructor(options: DutyOptions) {
    this.#options = { clock: systemClock, wallClock: () => Date.now(), stores: [], ...options };
    const { clock } = this.#options;
    this.#congestion = new CongestionControl({ max: options.maxInFlight, clock });
    this.#breaker = new Breaker({
      clock,
      probe: (signal) => this.#probe(signal),
      describe: (trouble) => (typeof trouble === 'string' ? trouble : describeError(trouble)),
      onChange: ({ reason }) => {
        this.gate.hold('breaker', reason);
        if (reason !== null) this.#turnAway();
      },
    });
    const followLimiter = (): void => this.gate.hold('rate', options.limiter.state().reason);
    this.#forget.push(options.limiter.onChange(followLimiter));
    followLimiter();
    for (const store of this.#options.stores) {
      const follow = (): void => {
        this.gate.hold(store.name, store.reason);
        if (store.reason !== null) this.#turnAway();
      };
      this.#forget.push(store.onChange(follow));
      follow();
    }
    this.#followHours();
  }

  /**
   * Waits for a place in flight and until the rate admits a message; not longer than until the hours end or the
   * archive is down. What has its turn is finished, also when that takes longer than the hours.
   *
   * @throws CancelledError
   */
  async begin(signal: AbortSignal): Promise<Admission> {
    throwIfCancelled(signal, 'place at the archive');
    const wait = new AbortController();
    const giveUp = (): void => wait.abort();
    signal.addEventListener('abort', giveUp, { once: true });
    this.#waits.add(wait);
    let turn: Turn | null = null;
    try {
      if (this.#offDuty() === null) {
        turn = await this.#congestion.begin(wait.signal);
        await this.#options.limiter.admitMessage(wait.signal);
      }
    } catch (error) {
      turn?.end(null);
      if (!(error instanceof CancelledError) || this.#offDuty() === null) throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
      this.#waits.delete(wait);
    }
    throwIfCancelled(signal, 'place at the archive');
    const reason = this.#offDuty();
    if (turn !== null && reason === null) return { turn };
    turn?.end(null);
    return { turn: null, code: 'OFF_DUTY', reason: reason ?? 'the archive was not to be asked' };
  }

  /**
   * Whether the trouble that ended the work is a node's, so that no message is to blame. A store that broke off and is there may well
   * mean this message; so may an archive, whose breaker finds out.
   */
  async isToBlameFor({ node, kind }: NodeTrouble, reason: string): Promise<boolean> {
    const store = this.#options.stores.find(({ name }) => name === node);
    return store === undefined ? kind !== 'lost' : store.report(kind, reason);
  }

  /** How the work that began with `turn` ended. */
  end(turn: Turn, answer: ArchiveAnswer, reason: string): void {
    turn.end(answer);
    this.#breaker.report(answer, reason);
  }

  /** Somebody says that what was wrong with the archive or a store is mended. */
  lookAgain(): void {
    this.#breaker.lookAgain();
    for (const store of this.#options.stores) store.lookAgain();
  }

  /** Why it gets less than it could, for `status`; null when it does not. */
  get remark(): string | null {
    const { limit, max, pausedForMs } = this.#congestion.state();
    return limit < max || pausedForMs > 0 ? `congested: ${limit} of ${max} messages at a time` : null;
  }

  /** Whoever waits is turned away. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#turnAway();
    for (const forget of this.#forget) forget();
    this.#congestion.close();
    this.#breaker.close();
  }

  /** Why no work is begun, whatever the rate; null when it may be. The clock is asked, for the timer may be late. */
  #offDuty(): string | null {
    if (this.#isClosed) return 'the service is stopping';
    const outside = this.#outsideHours(this.#options.wallClock());
    if (outside !== null) this.gate.hold('hours', outside); // or the consumer would go on taking what is turned away
    const store = this.#options.stores.find(({ reason }) => reason !== null);
    return outside ?? this.#breaker.state().reason ?? store?.reason ?? null;
  }

  #outsideHours(ms: number): string | null {
    const { hours, timeZone } = this.#options;
    return isOpen(hours, new Date(ms), timeZone) ? null : `outside the allowed hours (${hours.text})`;
  }

  /** Those who wait hold a message each, which belongs into the queue while the archive is not to be asked. */
  #turnAway(): void {
    for (const wait of [...this.#waits]) wait.abort();
  }

  #followHours(): void {
    const { hours, timeZone, clock, wallClock } = this.#options;
    const now = wallClock();
    const reason = this.#outsideHours(now);
    this.gate.hold('hours', reason);
    if (reason !== null) this.#turnAway();
    const next = nextChange(hours, new Date(now), timeZone);
    if (next === null) return;
    const ms = Math.min(LOOK_AGAIN_MS, Math.max(1, next.getTime() - now));
    this.#cancelTimer = clock.after(ms, () => this.#followHours());
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { client, queryTimeoutMs } = this.#options;
    await client.withQueryRetrieve((association) => cEcho(association, queryTimeoutMs), signal);
  }
}

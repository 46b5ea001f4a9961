import { Breaker, CongestionControl, type ArchiveAnswer, type Turn } from '../core/breaker.js';
import { describeError } from '../core/errors.js';
import { Gate } from '../core/gate.js';
import { isOpen, nextChange, type AllowedHours } from '../core/hours.js';
import type { RateLimiter } from '../core/rate-limiter/index.js';
import { cEcho, type NodeClient } from '../dimse/index.js';

export interface DutyOptions {
  readonly client: NodeClient;
  readonly limiter: RateLimiter;
  readonly hours: AllowedHours;
  readonly timeZone: string;
  /** Messages that are worked on at the same time when all is well. */
  readonly maxInFlight: number;
  readonly queryTimeoutMs: number;
}

/** The longest a timer may be out: clocks are set, and a machine may have slept. */
const LOOK_AGAIN_MS = 30_000;

/**
 * When an archive is given work, and how much at once. Its gate is closed while the rate is 0 or shared and unknown,
 * outside the archive's hours, and while the archive is down; behind it, congestion bounds what is in flight.
 */
export class ArchiveDuty {
  readonly gate = new Gate();
  readonly #options: DutyOptions;
  readonly #congestion: CongestionControl;
  readonly #breaker: Breaker;
  readonly #forgetLimiter: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DutyOptions) {
    this.#options = options;
    this.#congestion = new CongestionControl({ max: options.maxInFlight });
    this.#breaker = new Breaker({
      probe: (signal) => this.#probe(signal),
      describe: (trouble) => (typeof trouble === 'string' ? trouble : describeError(trouble)),
      onChange: ({ reason }) => this.#hold('breaker', reason),
    });
    const followLimiter = (): void => this.#hold('rate', options.limiter.state().reason);
    this.#forgetLimiter = options.limiter.onChange(followLimiter);
    followLimiter();
    this.#followHours();
  }

  /** Waits for a place in flight. @throws CancelledError */
  begin(signal: AbortSignal): Promise<Turn> {
    return this.#congestion.begin(signal);
  }

  /** How the work that began with `turn` ended. */
  end(turn: Turn, answer: ArchiveAnswer, reason: string): void {
    turn.end(answer);
    this.#breaker.report(answer, reason);
  }

  /** Why it gets less than it could, for `status`; null when it does not. */
  get remark(): string | null {
    const { limit, max } = this.#congestion.state();
    return limit < max ? `congested: ${limit} of ${max} messages at a time` : null;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#forgetLimiter();
    this.#congestion.close();
    this.#breaker.close();
  }

  #hold(party: string, reason: string | null): void {
    if (reason === null) this.gate.open(party);
    else this.gate.close(party, reason);
  }

  #followHours(): void {
    const { hours, timeZone } = this.#options;
    const now = new Date();
    this.#hold('hours', isOpen(hours, now, timeZone) ? null : `outside the allowed hours (${hours.text})`);
    const next = nextChange(hours, now, timeZone);
    if (next === null) return;
    const ms = Math.min(LOOK_AGAIN_MS, Math.max(1, next.getTime() - now.getTime()));
    this.#timer = setTimeout(() => this.#followHours(), ms);
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { client, queryTimeoutMs } = this.#options;
    await client.withQueryRetrieve((association) => cEcho(association, queryTimeoutMs), signal);
  }
}

import Bottleneck from 'bottleneck';
import type { Clock } from '../breaker.js';
import {
  schedule,
  UNITS,
  units,
  unitsOrNull,
  updateSettings,
  YES_OR_NO,
  type Bucket,
  type Ticket,
} from './bucket.js';
import { planFor, type RatePlan, type RateSettings } from './plan.js';
import { Turns } from './turns.js';

/**
 * The tokens of one process. It fills Bottleneck's reservoir itself, from a monotonic clock, whenever it is asked:
 * Bottleneck's own refill does not keep the promise. Measured with 2.19.5 on an idle machine: of 40 refills that were
 * due in 10 s (`reservoirIncreaseInterval` 250) 33 came, because its timer loses what it fires too late, or
 * a millisecond too early; `updateSettings` stops that timer for good (its issue 185); and it runs in steps of 250 ms.
 * So there is no timer here at all.
 */
export class LocalBucket implements Bucket {
  readonly #limiter: Bottleneck;
  readonly #clock: Clock;
  readonly #turns = new Turns();
  #plan: RatePlan;
  /** In units; what Bottleneck's reservoir holds once everything that was sent to it has arrived there. */
  #held = 0;
  #filledAt: number;

  constructor(settings: RateSettings, clock: Clock) {
    const plan = planFor(settings);
    this.#plan = plan;
    this.#clock = clock;
    this.#filledAt = clock.now();
    // It begins empty: a daemon that crashes and starts in a loop must not get a burst each time.
    this.#limiter = new Bottleneck({
      ...YES_OR_NO,
      reservoir: plan.perSecond === null ? null : 0,
      maxConcurrent: unitsOrNull(plan.inFlight),
    });
  }

  trouble(): null {
    return null;
  }

  knownLevel(): number {
    return this.#plan.perSecond === null ? Infinity : (this.#held + this.#gained().taken) / UNITS;
  }

  level(): Promise<number> {
    return this.#turns.take(() => {
      this.#fill();
      return this.knownLevel();
    });
  }

  tryTake(tokens: number): Promise<Ticket | null> {
    return this.#turns.take(async () => {
      const ticket = await schedule(this.#limiter, tokens, null);
      if (ticket !== null) this.#held -= units(tokens);
      return ticket;
    });
  }

  add(tokens: number): Promise<void> {
    return this.#turns.take(async () => {
      if (this.#plan.perSecond === null) return;
      this.#fill();
      const room = units(this.#plan.reservoir) - this.#held;
      await this.#increment(Math.min(units(tokens), room));
    });
  }

  moment(after: number): Promise<number> {
    return Promise.resolve(this.estimate(after));
  }

  estimate(after: number): number {
    return Math.max(Date.now() * 1000, after + 1);
  }

  /** Nothing to do: at a rate of 0 the bucket is not asked. */
  keep(): void {
    return undefined;
  }

  apply(settings: RateSettings): Promise<void> {
    return this.#turns.take(async () => {
      this.#fill();
      const plan = planFor(settings);
      const held = this.#plan.perSecond === null ? 0 : this.#held;
      this.#plan = plan;
      this.#held = Math.min(held, units(plan.reservoir));
      await updateSettings(this.#limiter, {
        reservoir: plan.perSecond === null ? null : this.#held,
        maxConcurrent: unitsOrNull(plan.inFlight),
      });
    });
  }

  async close(): Promise<void> {
    await this.#limiter.disconnect();
  }

  /** Whole units only; the rest of the time is kept for the next call. */
  #gained(): { readonly taken: number; readonly until: number } {
    const now = this.#clock.now();
    const { perSecond, reservoir } = this.#plan;
    if (perSecond === null || perSecond === 0) return { taken: 0, until: now };
    const unitsPerMs = (perSecond * UNITS) / 1000;
    const gained = Math.floor((now - this.#filledAt) * unitsPerMs);
    const room = Math.max(0, units(reservoir) - this.#held);
    return { taken: Math.min(gained, room), until: this.#filledAt + gained / unitsPerMs };
  }

  #fill(): void {
    const { taken, until } = this.#gained();
    this.#filledAt = until;
    if (taken > 0) void this.#increment(taken);
  }

  /** What is sent first is there first: each of Bottleneck's calls waits for one timer of the same length. */
  async #increment(by: number): Promise<void> {
    this.#held += by;
    await this.#limiter.incrementReservoir(by);
  }
}

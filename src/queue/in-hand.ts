import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disposition, Handler } from '../core/delivery.js';
import { describeError, retryOf } from '../core/errors.js';
import type { Logger } from '../core/log.js';
import type { ChannelDelivery } from './broker.js';
import { BrokerUnavailableError } from './errors.js';
import { pauseMs } from './pause.js';
import { dispositionOfError, makeSafe, type SettleContext } from './settle.js';
import { within } from './within.js';
import { Work } from './work.js';

export interface InHandOptions extends SettleContext {
  /** Handlers at the same time, at most. */
  readonly prefetch: number;
  readonly handler: Handler;
  readonly log: Logger;
  /** A message can't be settled. It goes back when this has resolved: nothing more is to be taken by then. */
  readonly onStuck: (reason: string) => Promise<void>;
  /** A message was settled. */
  readonly onSettled: () => void;
}

/** So long a finished message whose connection was lost waits for its redelivery, to be acked instead of repeated. */
const ORPHAN_WAIT_MS = 300_000;
/** A broker that is there and says no so often means it. */
const MOST_REFUSALS = 4;

/** The messages that a consumer has in hand: waiting for a free place, being handled, being settled. */
export class InHand {
  readonly #options: InHandOptions;
  /** In the order of delivery; for those whose handler was started, the end of it all. */
  readonly #works = new Map<Work, Promise<void> | undefined>();
  readonly #handlers = new AbortController();
  /** Aborted when no redelivery will come any more. */
  readonly #last = new AbortController();
  /** Aborted when nothing is settled any more. */
  readonly #ended = new AbortController();
  #running = 0;
  #isHeld = false;

  constructor(options: InHandOptions) {
    this.#options = options;
    // Every handler and everything that it waits for listens to it: Node would warn, in text, in a log of JSON lines.
    setMaxListeners(0, this.#handlers.signal, this.#last.signal, this.#ended.signal);
  }

  /** Messages that are being handled or settled. */
  get size(): number {
    return [...this.#works.values()].filter((run) => run !== undefined).length;
  }

  /** Takes a delivery: for a message that waits for it, or as a new one. Never throws. */
  take(delivery: ChannelDelivery): void {
    for (const work of this.#works.keys()) if (work.adopt(delivery)) return;
    this.#works.set(new Work(this.#options.queue, delivery, this.#options.retryPolicy), undefined);
    this.#startHeld();
  }

  /** From now on no handler is started; what comes is held. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#startHeld();
  }

  /** Gives back, unhandled, what was held. Nothing more may come, or it comes back at once. */
  giveBackHeld(): void {
    for (const [work, run] of [...this.#works]) {
      if (run !== undefined) continue;
      this.#works.delete(work);
      work.current?.giveBack();
    }
  }

  /** The channel is gone: what came on it can be acked no more, and comes again. */
  orphan(channel: object): void {
    for (const [work, run] of [...this.#works]) {
      if (!work.isOn(channel)) continue;
      work.orphan();
      if (run === undefined) this.#works.delete(work);
    }
  }

  /** Waits for the handlers, then aborts them and waits again; whatever is not settled by then never is. */
  async finish(graceMs: number, abortGraceMs: number): Promise<void> {
    this.hold();
    this.#last.abort();
    if (!(await this.#isIdleWithin(graceMs))) {
      this.#handlers.abort();
      await this.#isIdleWithin(abortGraceMs);
    }
    this.#ended.abort();
  }

  async #isIdleWithin(timeoutMs: number): Promise<boolean> {
    const runs = [...this.#works.values()].map((run) => run ?? Promise.resolve());
    return within(Promise.all(runs), timeoutMs, () => new Error('handlers are still running')).then(
      () => true,
      () => false,
    );
  }

  /**
   * Starts handlers up to the prefetch. The broker's limit is not enough for that: orphans, whose channel is gone,
   * still run and do not count there any more.
   */
  #startHeld(): void {
    for (const [work, run] of this.#works) {
      if (this.#isHeld || this.#running >= this.#options.prefetch) return;
      if (run === undefined) this.#works.set(work, this.#run(work));
    }
  }

  async #run(work: Work): Promise<void> {
    const disposition = await this.#handle(work);
    // A handler that was told to stop has not failed: the message goes back as it is.
    const toldToStop = this.#handlers.signal.aborted && disposition.kind === 'retry';
    if (!toldToStop) await this.#settle(work, disposition);
    this.#works.delete(work);
    this.#startHeld();
  }

  async #handle(work: Work): Promise<Disposition> {
    this.#running += 1;
    try {
      return await this.#options.handler(work.delivery, this.#handlers.signal);
    } catch (error) {
      const { queue, log } = this.#options;
      const disposition = dispositionOfError(error);
      log.warn({ queue, attempt: work.delivery.attempt, reason: describeError(error) }, 'handler failed');
      return disposition;
    } finally {
      this.#running -= 1;
    }
  }

  /**
   * Safe first, ack last, and the ack on the channel of the delivery only: a tag of a dead channel would be another
   * message's on the new one. An orphan waits for its redelivery before it publishes anything, so that what another
   * process has taken over by now is not published twice. Where the connection is lost between confirm and ack and
   * the redelivery goes elsewhere, the message is handled twice; the journey bears that, a lost one it would not.
   *
   * What the broker refuses for good is given back, so that it holds no place and can be seen in its queue.
   */
  async #settle(work: Work, disposition: Disposition): Promise<void> {
    const { queue, log } = this.#options;
    const { attempt, receivedAt } = work.delivery;
    const operation = `settle ${disposition.kind}`;
    let safe = false;
    for (let failures = 0; !this.#ended.signal.aborted;) {
      const delivery = await work.deliverable(ORPHAN_WAIT_MS, this.#last.signal);
      if (delivery === undefined) break;
      try {
        if (!safe) await makeSafe(this.#options, work.message, disposition, receivedAt);
        safe = true;
        // The channel may have been lost while we waited for the confirm: then once more, for the new delivery.
        if (!work.isOn(delivery.channel)) continue;
        await delivery.ack();
        this.#options.onSettled();
        return;
      } catch (error) {
        failures += 1;
        if (!safe && isRefused(error, failures)) {
          log.error(
            { queue, operation, attempt, reason: describeError(error) },
            'cannot be settled, given back',
          );
          await this.#options.onStuck(describeError(error));
          work.current?.giveBack();
          return;
        }
        log.warn({ queue, operation, attempt, reason: describeError(error) }, 'not acked, tried again');
        await sleep(pauseMs(failures), undefined, { signal: this.#ended.signal }).catch(() => undefined);
      }
    }
    log.warn({ queue, operation, attempt }, 'not acked: the broker delivers it again');
  }
}

/** What is only away comes back, and the message waits for it where it is. */
function isRefused(error: unknown, failures: number): boolean {
  if (error instanceof BrokerUnavailableError) return false;
  return retryOf(error) === 'never' || failures >= MOST_REFUSALS;
}

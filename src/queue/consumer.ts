import type { Handler } from '../core/delivery.js';
import { describeError, retryOf } from '../core/errors.js';
import type { Logger } from '../core/log.js';
import type { BrokerConnection, Subscription } from './broker.js';
import { InHand } from './in-hand.js';
import { pauseMs } from './pause.js';
import { Publisher } from './publisher.js';
import { defaultRetryPolicy, type RetryPolicy } from './retry-policy.js';
import { declareQueue } from './queues.js';

export interface ConsumeOptions {
  readonly connection: BrokerConnection;
  readonly queue: string;
  /** Messages in hand at the same time, at most. */
  readonly prefetch: number;
  readonly handler: Handler;
  readonly failedQueue: string;
  /** Default: 5 s doubling to 5 min, 6 tries. */
  readonly retryPolicy?: RetryPolicy;
  readonly log: Logger;
  /** Given: the consumer begins paused, for this reason. */
  readonly pausedFor?: string;
  /** How long `close` lets handlers finish before it aborts their signal, in ms. Default 30,000. */
  readonly shutdownGraceMs?: number;
  /** How long handlers may take to end once aborted, in ms. Default 2,000. */
  readonly abortGraceMs?: number;
}

/** After messages could not be settled, at most. */
const MAX_STUCK_MS = 50_000;

export interface ConsumerState {
  /** `waiting`: it should run, but the broker is away, the queue cannot be had, or what was done can't be settled. */
  readonly state: 'running' | 'paused' | 'waiting';
  /** Why it does not run; or, while it runs, what does not become of its messages as it should. */
  readonly reason: string | null;
  /** Messages that are being handled or settled. */
  readonly inFlight: number;
}

/**
 * Takes messages off a queue and gives them to `handler`, until it is closed. Declares the queue and the failed queue.
 * When the broker is away at the moment the consumer waits for it and subscribes then.
 *
 * @throws QueueMismatchError, BrokerRefusedError when the broker is there and the queues cannot be had. Later on such
 *   trouble is in `state()`, and the consumer tries again by itself.
 */
export async function consume(options: ConsumeOptions): Promise<QueueConsumer> {
  const consumer = new QueueConsumer(options);
  await consumer.start();
  return consumer;
}

/** A consumer that survives its channel, its connection and its queue. Made by `consume`. */
export class QueueConsumer {
  readonly #options: ConsumeOptions;
  readonly #publisher: Publisher;
  readonly #inHand: InHand;
  readonly #forget: () => void;
  #subscription: Subscription | undefined;
  #pausedFor: string | null;
  #isClosing = false;
  #closed: Promise<void> | undefined;
  #trouble: string | null = null;
  #failures = 0;
  /** Why messages can't be settled: nothing is taken. */
  #stuckFor: string | null = null;
  /** How often in a row. */
  #stuck = 0;
  #retriesParked: string | null = null;
  #reconciling: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #stuckTimer: NodeJS.Timeout | undefined;

  constructor(options: ConsumeOptions) {
    this.#options = options;
    this.#pausedFor = options.pausedFor ?? null;
    this.#publisher = new Publisher({ connection: options.connection });
    this.#inHand = new InHand({
      ...{ retryPolicy: defaultRetryPolicy, ...options, publisher: this.#publisher },
      onRetriesParked: (reason) => (this.#retriesParked = reason),
      onStuck: (reason) => this.#standStill(reason),
      onSettled: () => (this.#stuck = 0),
    });
    this.#forget = options.connection.onChange(() => void this.#reconcile());
  }

  /** @internal Called once, by `consume`. */
  async start(): Promise<void> {
    if (this.#options.connection.state().state !== 'connected') return;
    if (this.#pausedFor !== null) {
      this.#inHand.hold();
      return;
    }
    let failure: { readonly error: unknown } | undefined;
    // In the chain of changes, like every other: the connection may be lost and found again meanwhile.
    this.#reconciling = this.#subscribe().catch((error: unknown) => {
      failure = { error };
    });
    await this.#reconciling;
    if (failure === undefined) return;
    if (retryOf(failure.error) === 'later') {
      this.#retryLater(failure.error);
      return;
    }
    await this.close();
    throw failure.error;
  }

  state(): ConsumerState {
    const inFlight = this.#inHand.size;
    if (this.#isClosing) return { state: 'paused', reason: 'closed', inFlight };
    if (this.#pausedFor !== null) return { state: 'paused', reason: this.#pausedFor, inFlight };
    if (this.#stuckFor !== null)
      return { state: 'waiting', reason: `messages cannot be settled: ${this.#stuckFor}`, inFlight };
    const broker = this.#options.connection.state();
    if (this.#subscription?.isConsuming === true) {
      // A broker with an alarm gives messages out and takes none.
      const alarm = broker.state === 'connected' ? broker.reason : null;
      return { state: 'running', reason: alarm ?? parkedText(this.#retriesParked), inFlight };
    }
    const reason = broker.state === 'connected' ? this.#trouble : broker.reason;
    return { state: 'waiting', reason: reason ?? 'not subscribed yet', inFlight };
  }

  /** Takes nothing more off the queue; what is in hand is finished. Resolves when the broker sends nothing more. */
  async pause(reason: string): Promise<void> {
    this.#pausedFor = reason;
    this.#inHand.hold();
    await this.#reconcile();
  }

  /** Takes messages again. */
  async resume(): Promise<void> {
    this.#pausedFor = null;
    this.#releaseIfWanted();
    await this.#reconcile();
  }

  get #isWanted(): boolean {
    return !this.#isClosing && this.#pausedFor === null && this.#stuckFor === null;
  }

  #releaseIfWanted(): void {
    if (this.#isWanted) this.#inHand.release();
  }

  /** What can't be settled would be taken and done again at once. Resolves when the broker sends nothing more. */
  async #standStill(reason: string): Promise<void> {
    const { queue, log } = this.#options;
    this.#inHand.hold();
    if (this.#stuckFor === null) {
      this.#stuck += 1;
      const ms = Math.min(MAX_STUCK_MS, 5 * pauseMs(this.#stuck));
      log.error({ queue, operation: 'settle', reason, ms }, 'not consuming: messages cannot be settled');
      clearTimeout(this.#stuckTimer);
      if (!this.#isClosing) this.#stuckTimer = setTimeout(() => void this.#goOn(), ms);
    }
    this.#stuckFor = reason;
    await this.#reconcile();
  }

  async #goOn(): Promise<void> {
    this.#stuckFor = null;
    this.#releaseIfWanted();
    await this.#reconcile();
  }

  /**
   * Takes nothing new, lets handlers finish for `shutdownGraceMs`, aborts the signal of the others and gives them
   * `abortGraceMs`. Messages that are not settled by then go back to the queue, in their place and with their count.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    this.#inHand.hold();
    this.#forget();
    clearTimeout(this.#timer);
    clearTimeout(this.#stuckTimer);
    await this.#reconcile();
    await this.#inHand.finish(this.#options.shutdownGraceMs ?? 30_000, this.#options.abortGraceMs ?? 2_000);
    await this.#subscription?.close();
    await this.#publisher.close();
  }

  /** Brings the subscription to what is wanted, one change after the other. Never rejects. */
  #reconcile(): Promise<void> {
    this.#reconciling = this.#reconciling.then(async () => {
      try {
        if (!this.#isWanted) await this.#unsubscribe();
        else if (this.#options.connection.state().state === 'connected') await this.#subscribe();
      } catch (error) {
        this.#retryLater(error);
      }
    });
    return this.#reconciling;
  }

  async #subscribe(): Promise<void> {
    if (this.#subscription?.isConsuming === true) return;
    const { connection, queue, failedQueue, prefetch, log } = this.#options;
    await declareQueue(connection, failedQueue);
    await declareQueue(connection, queue);
    this.#subscription ??= await this.#open(connection, prefetch);
    await this.#subscription.consume(queue);
    this.#trouble = null;
    this.#failures = 0;
    log.info({ queue, operation: 'subscribe' }, 'consuming');
  }

  async #unsubscribe(): Promise<void> {
    await this.#subscription?.cancel();
    this.#inHand.giveBackHeld();
  }

  async #open(connection: BrokerConnection, prefetch: number): Promise<Subscription> {
    const subscription: Subscription = await connection.subscribe(prefetch, {
      delivered: (delivery) => {
        this.#inHand.take(delivery);
      },
      cancelled: () => {
        this.#waitFor('the queue was deleted', 0);
      },
      lost: (reason) => {
        if (this.#subscription === subscription) this.#subscription = undefined;
        this.#inHand.orphan(subscription.channel);
        if (!this.#isClosing) this.#waitFor(`channel lost: ${reason}`, pauseMs(1));
      },
    });
    return subscription;
  }

  #retryLater(error: unknown): void {
    this.#failures += 1;
    this.#waitFor(describeError(error), pauseMs(this.#failures));
  }

  /** A loss of the connection needs no timer, its return is a change of state; a channel can be lost alone. */
  #waitFor(trouble: string, ms: number): void {
    const { queue, log } = this.#options;
    this.#trouble = trouble;
    log.warn({ queue, operation: 'subscribe', reason: trouble }, 'not consuming, subscribing again');
    clearTimeout(this.#timer);
    if (!this.#isClosing) this.#timer = setTimeout(() => void this.#reconcile(), ms);
  }
}

function parkedText(reason: string | null): string | null {
  return reason === null ? null : `messages are parked instead of tried again: ${reason}`;
}

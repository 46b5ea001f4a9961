import type { Channel, Message } from 'amqplib';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disposition, Handler } from '../core/delivery.js';
import { describeError, retryOf } from '../core/errors.js';
import type { Logger } from '../core/log.js';
import type { BrokerConnection } from './connection.js';
import { BrokerUnavailableError, endingOf, toBrokerError } from './errors.js';
import { Publisher } from './publisher.js';
import { defaultRetryPolicy, type RetryPolicy } from './retry-policy.js';
import { dispositionOfError, makeSafe } from './settle.js';
import { closeChannel, declareQueue, watchChannel } from './topology.js';
import { within } from './within.js';
import { Work } from './work.js';

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
  /** How long `close` lets handlers finish before it aborts their signal, in ms. Default 30,000. */
  readonly shutdownGraceMs?: number;
  /** How long handlers may take to end once aborted, in ms. Default 2,000. */
  readonly abortGraceMs?: number;
}

export interface ConsumerState {
  /** `waiting`: it should run, but the broker is away or the queue cannot be had. */
  readonly state: 'running' | 'paused' | 'waiting';
  readonly reason: string | null;
  /** Messages that are being handled or settled. */
  readonly inFlight: number;
}

interface Subscription {
  readonly channel: Channel;
  /** While messages are asked for. */
  tag: string | undefined;
}

const RPC_TIMEOUT_MS = 10_000;
/** Between attempts to subscribe, or to make a disposition safe: doubling from the first to the last. */
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 10_000;
/** So long a finished message whose connection was lost waits for its redelivery, to be acked instead of repeated. */
const ORPHAN_WAIT_MS = 300_000;

/**
 * Takes messages off a queue and gives them to `handler`, until it is closed. Declares the queue and the failed queue.
 * When the broker is away at the moment the consumer waits for it and subscribes then.
 *
 * @throws QueueMismatchError, BrokerRefusedError when the queues cannot be had, now or later.
 */
export async function consume(options: ConsumeOptions): Promise<QueueConsumer> {
  const consumer = new QueueConsumer(options);
  await consumer.start();
  return consumer;
}

/** A subscription that survives its channel. Made by `consume`. */
export class QueueConsumer {
  readonly #options: ConsumeOptions;
  readonly #policy: RetryPolicy;
  readonly #publisher: Publisher;
  /** Every message in hand, in the order of delivery, and for those whose handler was started its end. */
  readonly #works = new Map<Work, Promise<void> | undefined>();
  readonly #handlers = new AbortController();
  /** Aborted when nothing new is wanted any more. */
  readonly #closing = new AbortController();
  /** Aborted when nothing is settled any more. */
  readonly #ended = new AbortController();
  readonly #forget: () => void;
  #running = 0;
  #pausedFor: string | null = null;
  #subscription: Subscription | undefined;
  #trouble: string | null = null;
  #failures = 0;
  #reconciling: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: ConsumeOptions) {
    this.#options = options;
    this.#policy = options.retryPolicy ?? defaultRetryPolicy;
    this.#publisher = new Publisher({ connection: options.connection });
    this.#forget = options.connection.onChange(() => void this.#reconcile());
  }

  /** @internal Called once, by `consume`. */
  async start(): Promise<void> {
    if (this.#options.connection.state().state !== 'connected') return;
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
    const inFlight = [...this.#works.values()].filter((run) => run !== undefined).length;
    if (this.#closing.signal.aborted) return { state: 'paused', reason: 'closed', inFlight };
    if (this.#pausedFor !== null) return { state: 'paused', reason: this.#pausedFor, inFlight };
    if (this.#subscription?.tag !== undefined) return { state: 'running', reason: null, inFlight };
    const broker = this.#options.connection.state();
    const reason = broker.state === 'connected' ? this.#trouble : broker.reason;
    return { state: 'waiting', reason: reason ?? 'not subscribed yet', inFlight };
  }

  /** Takes nothing more off the queue; what is in hand is finished. Resolves when the broker sends nothing more. */
  async pause(reason: string): Promise<void> {
    this.#pausedFor = reason;
    await this.#reconcile();
  }

  /** Takes messages again. */
  async resume(): Promise<void> {
    this.#pausedFor = null;
    this.#startHeld();
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
    this.#closing.abort();
    this.#forget();
    clearTimeout(this.#timer);
    await this.#reconcile();
    if (!(await this.#idleWithin(this.#options.shutdownGraceMs ?? 30_000))) {
      this.#handlers.abort();
      await this.#idleWithin(this.#options.abortGraceMs ?? 2_000);
    }
    this.#ended.abort();
    // Closing the channel is what gives back the messages that are not acked.
    await closeChannel(this.#subscription?.channel);
    await this.#publisher.close();
  }

  async #idleWithin(timeoutMs: number): Promise<boolean> {
    const late = new Error('handlers are still running');
    return within(
      Promise.all([...this.#works.values()].map((run) => run ?? Promise.resolve())),
      timeoutMs,
      () => late,
    ).then(
      () => true,
      () => false,
    );
  }

  #isWanted(): boolean {
    return this.#pausedFor === null && !this.#closing.signal.aborted;
  }

  /** Brings the subscription to what is wanted, one change after the other. Never rejects. */
  #reconcile(): Promise<void> {
    this.#reconciling = this.#reconciling.then(async () => {
      try {
        if (!this.#isWanted()) await this.#unsubscribe();
        else if (this.#options.connection.state().state === 'connected') await this.#subscribe();
      } catch (error) {
        this.#retryLater(error);
      }
    });
    return this.#reconciling;
  }

  #retryLater(error: unknown): void {
    this.#trouble = describeError(error);
    this.#options.log.warn(
      { queue: this.#options.queue, operation: 'subscribe', reason: this.#trouble },
      'waiting',
    );
    this.#reconcileIn(pauseMs((this.#failures += 1)));
  }

  #reconcileIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#reconcile(), ms);
  }

  async #subscribe(): Promise<void> {
    if (this.#subscription?.tag !== undefined) return;
    const { connection, queue, failedQueue } = this.#options;
    await declareQueue(connection, failedQueue);
    await declareQueue(connection, queue);
    const subscription = (this.#subscription ??= await this.#openChannel());
    const tag = `pixl-${randomUUID()}`;
    // Set before the answer: a cancel by the broker may follow it at once.
    subscription.tag = tag;
    try {
      const onMessage = (message: Message | null): void => {
        this.#delivered(subscription, message);
      };
      await this.#answer(
        'basic.consume',
        subscription.channel.consume(queue, onMessage, { consumerTag: tag, noAck: false }),
      );
    } catch (error) {
      subscription.tag = undefined;
      await closeChannel(subscription.channel);
      throw toBrokerError(connection.broker, 'basic.consume', error);
    }
    this.#trouble = null;
    this.#failures = 0;
    this.#options.log.info({ queue, operation: 'subscribe' }, 'consuming');
  }

  async #openChannel(): Promise<Subscription> {
    const { connection, prefetch } = this.#options;
    try {
      const model = await connection.ready('channel.open', RPC_TIMEOUT_MS);
      const channel = await this.#answer('channel.open', model.createChannel());
      const subscription: Subscription = { channel, tag: undefined };
      let reason: string | undefined;
      watchChannel(channel, this.#options.log);
      channel.on('error', (error: Error) => {
        reason = endingOf(error);
      });
      channel.once('close', () => {
        this.#lost(subscription, reason);
      });
      await this.#answer('basic.qos', channel.prefetch(prefetch));
      return subscription;
    } catch (error) {
      throw toBrokerError(connection.broker, 'channel.open', error);
    }
  }

  async #unsubscribe(): Promise<void> {
    const subscription = this.#subscription;
    if (subscription?.tag === undefined) return;
    const { tag } = subscription;
    subscription.tag = undefined;
    try {
      await this.#answer('basic.cancel', subscription.channel.cancel(tag));
      this.#giveBackHeld();
    } catch (error) {
      // A channel on which messages may still come cannot be left open.
      await closeChannel(subscription.channel);
      throw toBrokerError(this.#options.connection.broker, 'basic.cancel', error);
    }
  }

  async #answer<T>(operation: string, promise: Promise<T>): Promise<T> {
    const { broker } = this.#options.connection;
    return within(promise, RPC_TIMEOUT_MS, () => {
      return new BrokerUnavailableError({ broker, operation }, `no answer for ${RPC_TIMEOUT_MS} ms`);
    });
  }

  /** The channel is gone, with the connection or alone (consumer_timeout). Delivery tags die with it. */
  #lost(subscription: Subscription, reason: string | undefined): void {
    if (this.#subscription === subscription) this.#subscription = undefined;
    subscription.tag = undefined;
    for (const [work, run] of [...this.#works]) {
      if (!work.isOn(subscription.channel)) continue;
      work.orphan();
      if (run === undefined) this.#works.delete(work);
    }
    if (this.#closing.signal.aborted) return;
    const { queue, log } = this.#options;
    log.warn(
      { queue, operation: 'channel', reason: reason ?? 'connection lost' },
      'channel lost, subscribing again',
    );
    this.#reconcileIn(FIRST_PAUSE_MS);
  }

  /** Called by amqplib, which ends the connection when this throws. */
  #delivered(subscription: Subscription, message: Message | null): void {
    if (message === null) {
      // The broker's basic.cancel: the queue was deleted.
      subscription.tag = undefined;
      this.#trouble = 'the broker cancelled the subscription: the queue was deleted';
      this.#options.log.warn(
        { queue: this.#options.queue, operation: 'basic.cancel', reason: this.#trouble },
        'waiting',
      );
      void this.#reconcile();
      return;
    }
    const delivery = { channel: subscription.channel, message };
    for (const work of this.#works.keys()) if (work.adopt(delivery)) return;
    this.#works.set(new Work(this.#options.queue, delivery, this.#policy), undefined);
    this.#startHeld();
  }

  /**
   * Starts handlers up to the prefetch. The broker's limit is not enough for that: orphans, whose channel is gone,
   * still run and do not count there any more.
   */
  #startHeld(): void {
    for (const [work, run] of this.#works) {
      if (this.#running >= this.#options.prefetch || !this.#isWanted()) return;
      if (run === undefined) this.#works.set(work, this.#run(work));
    }
  }

  /** What came while nothing was wanted any more goes back unhandled. */
  #giveBackHeld(): void {
    for (const [work, run] of [...this.#works]) {
      if (run !== undefined) continue;
      this.#works.delete(work);
      const held = work.current;
      held?.channel.nack(held.message, false, true);
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
   */
  async #settle(work: Work, disposition: Disposition): Promise<void> {
    const { queue, log } = this.#options;
    const context = { ...this.#options, publisher: this.#publisher, retryPolicy: this.#policy };
    const { attempt, receivedAt } = work.delivery;
    let safe = false;
    for (let failures = 0; !this.#ended.signal.aborted;) {
      const delivery = await work.deliverable(ORPHAN_WAIT_MS, this.#closing.signal);
      if (delivery === undefined) break;
      try {
        if (!safe) await makeSafe(context, work.message, disposition, receivedAt);
        safe = true;
        // The channel may have been lost while we waited for the confirm: then once more, for the new delivery.
        if (!work.isOn(delivery.channel)) continue;
        delivery.channel.ack(delivery.message);
        return;
      } catch (error) {
        failures += 1;
        const reason = describeError(error);
        log.warn(
          { queue, operation: `settle ${disposition.kind}`, attempt, reason },
          'not acked, tried again',
        );
        await sleep(pauseMs(failures), undefined, { signal: this.#ended.signal }).catch(() => undefined);
      }
    }
    log.warn(
      { queue, operation: `settle ${disposition.kind}`, attempt },
      'not acked: the broker delivers it again',
    );
  }
}

function pauseMs(failures: number): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
}

import type { Database } from '../../core/db/index.js';
import { describeError } from '../../core/errors.js';
import type { Logger } from '../../core/log.js';
import {
  delayQueueName,
  type BrokerConnection,
  type BrokerState,
  type ChannelDelivery,
  type HeldMessages,
  type PublishChannel,
  type QueueDepth,
  type Subscription,
  type SubscriptionEvents,
} from '../broker.js';
import { BrokerRefusedError, QueueMismatchError } from '../errors.js';
import { DECLARE, DEPTH, END, END_DEAD, NEXT_DUE, PROMOTE, PURGE, REGISTER, SEEN } from './statements.js';
import { TableConsumer } from './table-consumer.js';
import { TableLink } from './table-link.js';
import { TablePublishChannel } from './table-publish-channel.js';
import { TableSubscription } from './table-subscription.js';

export interface TableBrokerOptions {
  /** The caller's, who closes it after the broker. */
  readonly database: Database;
  /** For logs and errors. */
  readonly name: string;
  readonly log: Logger;
}

/** How soon a message is seen that another process published; what this process publishes is seen at once. */
const TICK_MS = 1_000;
const MIN_TICK_MS = 5;
/** A sixth of the lease. */
const HEARTBEAT_MS = 5_000;
/** Messages that a hold takes at once. */
const HOLD_BATCH = 100;
const NOT_FOUND = 404;

/**
 * Queues in tables of a database, with what RabbitMQ guarantees: see `BrokerConnection`. Makes its tables, and gives
 * back what the consumers of dead processes held.
 *
 * @throws BrokerError
 */
export async function openTableBroker(options: TableBrokerOptions): Promise<BrokerConnection> {
  const link = new TableLink(options.database, options.name, options.log);
  await link.open();
  const broker = new TableBroker(link);
  await broker.start();
  return broker;
}

class TableBroker implements BrokerConnection {
  readonly broker: string;
  readonly log: Logger;
  readonly #link: TableLink;
  readonly #consumers = new Map<string, TableConsumer>();
  readonly #subscriptions = new Set<TableSubscription>();
  /** Consumers of ours whose end the database has not been told. */
  readonly #left = new Set<string>();
  #ticking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #nextHeartbeat = 0;

  constructor(link: TableLink) {
    this.#link = link;
    this.broker = link.broker;
    this.log = link.log;
    link.onChange(() => this.#followLink());
  }

  async start(): Promise<void> {
    await this.#link.query('connect', END_DEAD);
    this.#tickIn(0);
  }

  state(): BrokerState {
    return this.#link.state();
  }

  onChange(listener: () => void): () => void {
    return this.#link.onChange(listener);
  }

  ready(operation: string, timeoutMs: number): Promise<void> {
    return this.#link.ready(operation, timeoutMs);
  }

  async declareQueue(queue: string): Promise<void> {
    await this.#declare(queue, null, null);
  }

  async declareDelayQueue(queue: string, delayMs: number): Promise<string> {
    const name = delayQueueName(queue, delayMs);
    await this.#declare(name, queue, delayMs);
    return name;
  }

  async queueDepth(queue: string): Promise<QueueDepth> {
    const operation = `queue.declare-passive ${queue}`;
    const [row] = await this.#link.query<{ depth: string; consumers: string }>(operation, DEPTH, [queue]);
    if (row === undefined) throw this.#noQueue(operation, queue);
    return { depth: Number(row.depth), consumers: Number(row.consumers) };
  }

  async purgeQueue(queue: string): Promise<number> {
    await this.queueDepth(queue);
    const rows = await this.#link.query(`queue.purge ${queue}`, `${PURGE} RETURNING 1`, [queue]);
    return rows.length;
  }

  publishChannel(timeoutMs: number): PublishChannel {
    return new TablePublishChannel(this.#link, timeoutMs, (queues) => {
      for (const queue of queues) this.#wake(queue);
      this.#tickIn(MIN_TICK_MS); // it may have been for a delay queue
    });
  }

  async subscribe(prefetch: number, events: SubscriptionEvents): Promise<Subscription> {
    const consumer = await this.#register((reason) => {
      this.#subscriptions.delete(subscription);
      events.lost(reason);
    });
    const subscription: TableSubscription = new TableSubscription(
      this.#link,
      consumer,
      prefetch,
      events,
      () => {
        this.#subscriptions.delete(subscription);
        this.#consumers.delete(consumer.id);
      },
    );
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async hold<T>(queue: string, work: (held: HeldMessages) => Promise<T>): Promise<T> {
    const { depth } = await this.queueDepth(queue);
    const consumer = await this.#register(() => undefined);
    let batch: ChannelDelivery[] = [];
    try {
      return await work({
        count: depth,
        next: async () => {
          if (batch.length === 0) batch = await consumer.take(queue, HOLD_BATCH);
          return batch.shift();
        },
      });
    } finally {
      await consumer.end();
      this.#consumers.delete(consumer.id);
      this.#wake(queue);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#ticking;
    for (const consumer of [...this.#consumers.values()]) {
      await consumer.end();
      consumer.lose('closed');
    }
    await this.#link.close();
    clearTimeout(this.#timer);
    await this.#ticking;
  }

  async #declare(name: string, returnTo: string | null, delayMs: number | null): Promise<void> {
    const operation = `queue.declare ${name}`;
    const [row] = await this.#link.query<{ return_to: string | null; delay_ms: string | null }>(
      operation,
      DECLARE,
      [name, returnTo, delayMs],
    );
    const is = (to: string | null, ms: string | null): string =>
      to === null ? 'a work queue' : `a delay queue of ${ms ?? '?'} ms for ${to}`;
    const expected = is(returnTo, delayMs === null ? null : String(delayMs));
    if (row === undefined) throw this.#link.unavailable(operation, 'it was deleted meanwhile');
    const there = is(row.return_to, row.delay_ms);
    if (there !== expected)
      throw new QueueMismatchError({
        broker: this.broker,
        queue: name,
        expected,
        brokerSays: `it is ${there}`,
      });
  }

  async #register(lost: (reason: string) => void): Promise<TableConsumer> {
    const [row] = await this.#link.query<{ id: string }>('channel.open', REGISTER, [null]);
    const id = row?.id ?? '';
    const consumer = new TableConsumer(this.#link, id, (reason) => {
      this.#consumers.delete(id);
      lost(reason);
    });
    this.#consumers.set(id, consumer);
    return consumer;
  }

  #noQueue(operation: string, queue: string): BrokerRefusedError {
    return new BrokerRefusedError(
      { broker: this.broker, operation, replyCode: NOT_FOUND },
      `NOT_FOUND - no queue '${queue}'`,
    );
  }

  #wake(queue?: string): void {
    for (const subscription of this.#subscriptions) subscription.wake(queue);
  }

  /** A lost connection takes its consumers with it; what they held is given back when it is there again. */
  #followLink(): void {
    const { state, reason } = this.#link.state();
    if (state === 'connected') {
      this.#nextHeartbeat = 0;
      this.#tickIn(0);
    } else if (state === 'connecting')
      for (const consumer of [...this.#consumers.values()]) {
        this.#left.add(consumer.id);
        consumer.lose(reason ?? 'connection lost');
      }
  }

  #tickIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#link.state().state !== 'connected') return;
    this.#timer = setTimeout(() => {
      this.#ticking = this.#ticking.then(() => this.#tick());
    }, ms);
  }

  async #tick(): Promise<void> {
    let next = TICK_MS;
    try {
      if (performance.now() >= this.#nextHeartbeat) await this.#heartbeat();
      const promoted = await this.#link.query<{ queue: string }>('promote', PROMOTE);
      for (const queue of new Set(promoted.map((row) => row.queue))) this.#wake(queue);
      const [due] = await this.#link.query<{ ms: number | null }>('promote', NEXT_DUE);
      next = Math.max(MIN_TICK_MS, Math.min(TICK_MS, due?.ms ?? TICK_MS));
    } catch (error) {
      this.log.debug({ operation: 'tick', reason: describeError(error) }, 'again later');
    }
    this.#wake();
    this.#tickIn(next);
  }

  async #heartbeat(): Promise<void> {
    const left = [...this.#left];
    if (left.length > 0) await this.#link.query('heartbeat', END, [left]);
    for (const id of left) this.#left.delete(id);
    const ours = [...this.#consumers.keys()];
    if (ours.length > 0) {
      const alive = await this.#link.query<{ id: string }>('heartbeat', SEEN, [ours]);
      const seen = new Set(alive.map(({ id }) => id));
      for (const id of ours) if (!seen.has(id)) this.#consumers.get(id)?.lose('it was taken for dead');
    }
    await this.#link.query('heartbeat', END_DEAD);
    this.#nextHeartbeat = performance.now() + HEARTBEAT_MS;
  }
}

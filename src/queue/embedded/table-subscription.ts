import { describeError } from '../../core/errors.js';
import type { Subscription, SubscriptionEvents } from '../broker.js';
import { CONSUME } from './statements.js';
import type { TableConsumer } from './table-consumer.js';
import type { TableLink } from './table-link.js';

/** Takes messages of a queue for a consumer, as many as the prefetch leaves room for, whenever it is woken. */
export class TableSubscription implements Subscription {
  readonly channel: TableConsumer;
  readonly #link: TableLink;
  readonly #prefetch: number;
  readonly #events: SubscriptionEvents;
  readonly #ended: () => void;
  #queue: string | undefined;
  /** What is being done, one thing after the other. */
  #doing: Promise<void> = Promise.resolve();
  #isWoken = false;

  constructor(
    link: TableLink,
    consumer: TableConsumer,
    prefetch: number,
    events: SubscriptionEvents,
    ended: () => void,
  ) {
    this.channel = consumer;
    this.#link = link;
    this.#prefetch = prefetch;
    this.#events = events;
    this.#ended = ended;
  }

  get isConsuming(): boolean {
    return this.#queue !== undefined && !this.channel.isGone;
  }

  async consume(queue: string): Promise<void> {
    await this.#say(queue);
    this.#queue = queue;
    this.wake();
  }

  async cancel(): Promise<void> {
    if (this.#queue === undefined) return;
    this.#queue = undefined;
    await this.#doing;
    await this.#say(null);
  }

  async close(): Promise<void> {
    this.#queue = undefined;
    await this.#doing;
    await this.channel.end();
    this.#ended();
  }

  /** There may be something in `queue`; without a name: in any, or room for more. */
  wake(queue?: string): void {
    if (this.#isWoken || this.#queue === undefined || (queue !== undefined && queue !== this.#queue)) return;
    this.#isWoken = true;
    this.#doing = this.#doing.then(() => this.#take());
  }

  async #take(): Promise<void> {
    this.#isWoken = false;
    const room = this.#prefetch - this.channel.held;
    if (this.#queue === undefined || room <= 0 || this.channel.isGone) return;
    try {
      const deliveries = await this.channel.take(this.#queue, room);
      for (const delivery of deliveries) {
        const ack = async (): Promise<void> => {
          await delivery.ack();
          this.wake();
        };
        this.#events.delivered({ ...delivery, ack });
      }
    } catch (error) {
      // The next tick tries again; when the database is gone, so is the consumer.
      this.#link.log.warn({ operation: 'basic.deliver', reason: describeError(error) }, 'nothing taken');
    }
  }

  /** The queue that it counts for as a consumer. A channel of which that is not known cannot be left open. */
  async #say(queue: string | null): Promise<void> {
    try {
      await this.#link.query('basic.consume', CONSUME, [this.channel.id, queue]);
    } catch (error) {
      await this.close();
      throw error;
    }
  }
}

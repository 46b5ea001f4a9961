import { InvalidValueError } from '../core/errors.js';
import type { BrokerConnection, PublishChannel } from './broker.js';
import { BrokerUnavailableError } from './errors.js';
import type { MessageProperties } from './message-properties.js';

export interface OutgoingMessage {
  readonly body: Buffer;
  readonly properties?: MessageProperties;
}

export interface PublisherOptions {
  readonly connection: BrokerConnection;
  /** How long a publish waits for the broker to be there, and again for its confirm, in ms. Default 30,000. */
  readonly timeoutMs?: number;
}

/** With a broker that confirms after an fsync some hundreds keep it busy; more only cost memory. */
const DEFAULT_MAX_UNCONFIRMED = 500;
/** `publishAll` sends a message again that was under way when the connection was lost, so many times. */
const MAX_SENDS = 5;

/** Publishes to queues, each message confirmed. */
export class Publisher {
  readonly #channel: PublishChannel;
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#channel = options.connection.publishChannel(options.timeoutMs ?? 30_000);
  }

  /** Messages that were sent and not yet confirmed. */
  get unconfirmed(): number {
    return this.#channel.unconfirmed;
  }

  /**
   * Publishes a persistent message. Resolves when the broker has confirmed that it is safe.
   *
   * @param expirationMs for a delay queue: how long it waits there, in milliseconds; without: the queue's own delay.
   * @throws BrokerUnavailableError when the broker is away, or went away before it confirmed: then the message may be
   *   in the queue or not, and publishing it again may make it two.
   * @throws UnroutableError when there is no such queue.
   * @throws PublishNackedError when the broker could not store it.
   */
  async publish(
    queue: string,
    body: Buffer,
    properties: MessageProperties = {},
    expirationMs?: number,
  ): Promise<void> {
    const { priority = 0 } = properties;
    // One octet. More than the queues' maximum counts as that, and may be what a foreign message came with.
    if (!Number.isInteger(priority) || priority < 0 || priority > 255)
      throw new InvalidValueError('priority', 'not an integer from 0 to 255');
    await this.#channel.publish(queue, body, properties, expirationMs);
  }

  /**
   * Publishes all of them, with never more than `maxUnconfirmed` under way; takes the next from the source only then.
   * What is under way when the connection is lost is sent again, so that it may be in the queue twice.
   *
   * @returns how many were confirmed: all of them.
   * @throws what `publish` throws, for the first that failed, after the others under way are settled.
   */
  async publishAll(
    queue: string,
    messages: Iterable<OutgoingMessage> | AsyncIterable<OutgoingMessage>,
    options: { readonly maxUnconfirmed?: number } = {},
  ): Promise<number> {
    const limit = options.maxUnconfirmed ?? DEFAULT_MAX_UNCONFIRMED;
    let [underWay, confirmed] = [0, 0];
    const failures: unknown[] = [];
    let settled = (): void => undefined;
    const send = async (message: OutgoingMessage): Promise<void> => {
      try {
        await this.#publishPersistently(queue, message);
        confirmed += 1;
      } catch (error) {
        failures.push(error);
      }
      underWay -= 1;
      settled();
    };
    const atMost = async (count: number): Promise<void> => {
      while (underWay > count) await new Promise<void>((resolve) => (settled = resolve));
    };
    try {
      for await (const message of messages) {
        underWay += 1;
        void send(message);
        await atMost(limit - 1);
        if (failures.length > 0) break;
      }
    } finally {
      await atMost(0);
    }
    if (failures.length > 0) throw failures[0];
    return confirmed;
  }

  /** What is not confirmed by then fails. The connection stays. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#channel.close();
  }

  async #publishPersistently(queue: string, message: OutgoingMessage): Promise<void> {
    for (let sends = 1; ; sends += 1) {
      try {
        await this.publish(queue, message.body, message.properties);
        return;
      } catch (error) {
        // Away for longer than a publish waits is an error of its own; a loss while under way is not.
        const lost = error instanceof BrokerUnavailableError && error.operation === 'basic.publish';
        if (!lost || sends === MAX_SENDS || this.#closed) throw error;
      }
    }
  }
}

import type { ConfirmChannel, Message } from 'amqplib';
import { InvalidValueError } from '../core/errors.js';
import type { BrokerConnection } from './connection.js';
import { BrokerUnavailableError, PublishNackedError, UnroutableError, toBrokerError } from './errors.js';
import { publishOptions, type MessageProperties } from './message-properties.js';
import { closeChannel, watchChannel } from './topology.js';
import { within } from './within.js';

export interface OutgoingMessage {
  readonly body: Buffer;
  readonly properties?: MessageProperties;
}

export interface PublisherOptions {
  readonly connection: BrokerConnection;
  /** How long a publish waits for the broker to be there, and again for its confirm, in ms. Default 30,000. */
  readonly timeoutMs?: number;
}

interface Unconfirmed {
  readonly queue: string;
  readonly body: Buffer;
  returned: boolean;
}

/** With a broker that confirms after an fsync some hundreds keep it busy; more only cost memory. */
const DEFAULT_MAX_UNCONFIRMED = 500;
/** `publishAll` sends a message again that was under way when the connection was lost, so many times. */
const MAX_SENDS = 5;

/** Publishes to queues by the default exchange, on one confirm channel that is opened when it is needed. */
export class Publisher {
  readonly #connection: BrokerConnection;
  readonly #timeoutMs: number;
  #channel: Promise<ConfirmChannel> | undefined;
  #unconfirmed = new Set<Unconfirmed>();
  #drained: Promise<void> | undefined;
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#connection = options.connection;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  /** Messages that were sent and not yet confirmed. */
  get unconfirmed(): number {
    return this.#unconfirmed.size;
  }

  /**
   * Publishes a persistent message. Resolves when the broker has confirmed that it is safe.
   *
   * @param expirationMs its time to live in the queue, in milliseconds; without: for ever.
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
    const channel = await this.#writable();
    await this.#confirmed(channel, { queue, body, returned: false }, properties, expirationMs);
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

  /** Closes the channel; what is not confirmed by then fails. The connection stays. */
  async close(): Promise<void> {
    this.#closed = true;
    const channel = await this.#channel?.catch(() => undefined);
    await closeChannel(channel);
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

  /** The channel, once the broker is there and the channel's buffer takes more. */
  async #writable(): Promise<ConfirmChannel> {
    const deadline = performance.now() + this.#timeoutMs;
    const left = (): number => Math.max(deadline - performance.now(), 0);
    const late = (): Error => this.#unavailable('wait to publish', `no room for ${this.#timeoutMs} ms`);
    for (;;) {
      if (this.#closed) throw this.#unavailable('wait to publish', 'the publisher is closed');
      await this.#connection.ready('wait to publish', left());
      this.#channel ??= this.#open();
      const channel = await within(this.#channel, left(), late);
      if (this.#drained === undefined) return channel;
      await within(this.#drained, left(), late);
    }
  }

  async #open(): Promise<ConfirmChannel> {
    try {
      const model = await this.#connection.ready('channel.open', this.#timeoutMs);
      const channel = await model.createConfirmChannel();
      watchChannel(channel, this.#connection.log);
      channel.on('return', (message: Message) => {
        this.#returned(message);
      });
      channel.once('close', () => {
        this.#channel = undefined;
        this.#drained = undefined;
      });
      return channel;
    } catch (error) {
      this.#channel = undefined;
      throw toBrokerError(this.#connection.broker, 'channel.open', error);
    }
  }

  async #confirmed(
    channel: ConfirmChannel,
    entry: Unconfirmed,
    properties: MessageProperties,
    expirationMs: number | undefined,
  ): Promise<void> {
    const { broker } = this.#connection;
    const confirm = new Promise<void>((resolve, reject) => {
      const settled = (error: Error | null): void => {
        if (error === null && !entry.returned) resolve();
        else if (error === null) reject(new UnroutableError(broker, entry.queue));
        else if (error.message === 'message nacked') reject(new PublishNackedError(broker, entry.queue));
        else reject(this.#unavailable('basic.publish', 'connection lost before the confirm'));
      };
      try {
        const options = publishOptions(properties, expirationMs);
        if (!channel.publish('', entry.queue, entry.body, options, settled)) this.#waitForDrain(channel);
        this.#unconfirmed.add(entry);
      } catch (error) {
        // A channel that was closed since we asked for it throws, as does a property that AMQP cannot carry.
        const closed = error instanceof Error && error.name === 'IllegalOperationError';
        reject(
          closed
            ? this.#unavailable('basic.publish', 'connection lost before the publish')
            : new InvalidValueError('message', 'AMQP cannot carry its queue name or properties'),
        );
      }
    });
    const late = (): Error => this.#unavailable('basic.publish', `no confirm for ${this.#timeoutMs} ms`);
    try {
      await within(confirm, this.#timeoutMs, late);
    } finally {
      this.#unconfirmed.delete(entry);
    }
  }

  /**
   * basic.return carries no delivery tag, only the message. Of several equal ones the oldest is taken: which of them
   * the broker meant makes no difference, for they are the same bytes for the same queue. It comes before the ack.
   */
  #returned(message: Message): void {
    for (const entry of this.#unconfirmed) {
      if (entry.returned || entry.queue !== message.fields.routingKey) continue;
      if (!entry.body.equals(message.content)) continue;
      entry.returned = true;
      return;
    }
  }

  #waitForDrain(channel: ConfirmChannel): void {
    this.#drained ??= new Promise((resolve) => {
      const done = (): void => {
        channel.off('drain', done);
        channel.off('close', done);
        this.#drained = undefined;
        resolve();
      };
      channel.on('drain', done);
      channel.on('close', done);
    });
  }

  #unavailable(operation: string, problem: string): BrokerUnavailableError {
    return new BrokerUnavailableError({ broker: this.#connection.broker, operation }, problem);
  }
}

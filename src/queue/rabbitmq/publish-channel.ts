import type { ConfirmChannel, Message, Options } from 'amqplib';
import { InvalidValueError } from '../../core/errors.js';
import type { PublishChannel } from '../broker.js';
import { BrokerUnavailableError, PublishNackedError, UnroutableError } from '../errors.js';
import type { MessageProperties } from '../message-properties.js';
import { within } from '../within.js';
import type { RabbitmqConnection } from './connection.js';
import { toBrokerError } from './errors.js';
import { closeChannel, watchChannel } from './topology.js';

interface Unconfirmed {
  readonly queue: string;
  readonly body: Buffer;
  returned: boolean;
}

/** Publishes to queues by the default exchange, on one confirm channel that is opened when it is needed. */
export class RabbitmqPublishChannel implements PublishChannel {
  readonly #connection: RabbitmqConnection;
  readonly #timeoutMs: number;
  #channel: Promise<ConfirmChannel> | undefined;
  #unconfirmed = new Set<Unconfirmed>();
  #drained: Promise<void> | undefined;
  #closed = false;

  constructor(connection: RabbitmqConnection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  get unconfirmed(): number {
    return this.#unconfirmed.size;
  }

  async publish(
    queue: string,
    body: Buffer,
    properties: MessageProperties,
    expirationMs?: number,
  ): Promise<void> {
    const channel = await this.#writable();
    await this.#confirmed(channel, { queue, body, returned: false }, properties, expirationMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const channel = await this.#channel?.catch(() => undefined);
    await closeChannel(channel);
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
    const late = (): Error => this.#unavailable('wait for the confirm', `none for ${this.#timeoutMs} ms`);
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

/** The AMQP options to publish with: persistent, and an error rather than a loss where there is no such queue. */
function publishOptions(properties: MessageProperties, expirationMs?: number): Options.Publish {
  return {
    ...properties,
    persistent: true,
    mandatory: true,
    ...(expirationMs === undefined ? {} : { expiration: expirationMs }),
  };
}

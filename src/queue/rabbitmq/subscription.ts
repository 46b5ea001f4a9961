import type { Channel, Message } from 'amqplib';
import { randomUUID } from 'node:crypto';
import {
  RPC_TIMEOUT_MS,
  type ChannelDelivery,
  type Subscription,
  type SubscriptionEvents,
} from '../broker.js';
import { BrokerUnavailableError } from '../errors.js';
import { within } from '../within.js';
import type { RabbitmqConnection } from './connection.js';
import { endingOf, toBrokerError } from './errors.js';
import { closeChannel, watchChannel } from './topology.js';

/** One channel with a prefetch, on which messages of a queue are asked for or not. It lives as long as its channel. */
export class RabbitmqSubscription implements Subscription {
  readonly channel: Channel;
  readonly #broker: string;
  readonly #events: SubscriptionEvents;
  #tag: string | undefined;

  private constructor(channel: Channel, broker: string, events: SubscriptionEvents) {
    this.channel = channel;
    this.#broker = broker;
    this.#events = events;
  }

  /** @throws BrokerError. */
  static async open(
    connection: RabbitmqConnection,
    prefetch: number,
    events: SubscriptionEvents,
  ): Promise<RabbitmqSubscription> {
    const { broker } = connection;
    try {
      const model = await connection.ready('channel.open', RPC_TIMEOUT_MS);
      const channel = await answer(broker, 'channel.open', model.createChannel());
      const subscription = new RabbitmqSubscription(channel, broker, events);
      let reason = 'connection lost';
      watchChannel(channel, connection.log);
      channel.on('error', (error: Error) => {
        reason = endingOf(error);
      });
      channel.once('close', () => {
        subscription.#tag = undefined;
        events.lost(reason);
      });
      await answer(broker, 'basic.qos', channel.prefetch(prefetch));
      return subscription;
    } catch (error) {
      throw toBrokerError(broker, 'channel.open', error);
    }
  }

  get isConsuming(): boolean {
    return this.#tag !== undefined;
  }

  /** Asks for messages. @throws BrokerError; then the channel is closed. */
  async consume(queue: string): Promise<void> {
    // Ours and known before the answer: a cancel by the broker may follow it at once.
    const tag = `pixl-${randomUUID()}`;
    this.#tag = tag;
    const onMessage = (message: Message | null): void => {
      if (message !== null) this.#events.delivered(deliveryOf(this.channel, message));
      else {
        this.#tag = undefined;
        this.#events.cancelled();
      }
    };
    await this.#orClose('basic.consume', () => this.channel.consume(queue, onMessage, { consumerTag: tag }));
  }

  /** Asks for no more. When it resolves nothing comes any more. @throws BrokerError; then the channel is closed. */
  async cancel(): Promise<void> {
    const tag = this.#tag;
    if (tag === undefined) return;
    this.#tag = undefined;
    await this.#orClose('basic.cancel', () => this.channel.cancel(tag));
  }

  /** Closes the channel; the broker gives back to the queue what was not acked on it. */
  async close(): Promise<void> {
    this.#tag = undefined;
    await closeChannel(this.channel);
  }

  /** A channel of which it is not known whether messages come on it cannot be left open. */
  async #orClose(operation: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await answer(this.#broker, operation, call());
    } catch (error) {
      await this.close();
      throw toBrokerError(this.#broker, operation, error);
    }
  }
}

function answer<T>(broker: string, operation: string, promise: Promise<T>): Promise<T> {
  const problem = `no answer for ${RPC_TIMEOUT_MS} ms`;
  return within(promise, RPC_TIMEOUT_MS, () => new BrokerUnavailableError({ broker, operation }, problem));
}

/** What RabbitMQ gave out, with the ways to end it. An ack is written and not answered (AMQP 0-9-1, basic.ack). */
export function deliveryOf(channel: Channel, message: Message): ChannelDelivery {
  return {
    channel,
    message,
    redelivered: message.fields.redelivered,
    ack: async () => {
      channel.ack(message); // at once: nothing may come between the caller's look at the channel and this
      await Promise.resolve();
    },
    giveBack: () => {
      try {
        channel.nack(message, false, true);
      } catch {
        // The channel was closed, and the broker gives it back by itself.
      }
    },
  };
}

import type {
  BrokerConnection,
  BrokerState,
  HeldMessages,
  PublishChannel,
  QueueDepth,
  Subscription,
  SubscriptionEvents,
} from '../broker.js';
import type { Logger } from '../../core/log.js';
import { RabbitmqConnection, type BrokerOptions } from './connection.js';
import { RabbitmqPublishChannel } from './publish-channel.js';
import { deliveryOf, RabbitmqSubscription } from './subscription.js';
import { declareDelayQueue, declareQueue, onChannel, purgeQueue, queueDepth } from './topology.js';

/** No limit of its own for the whole of a hold: each step has one. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Connects to the broker and stays connected: after a loss it reconnects for ever, until closed.
 * Whether and why it is not connected is in `state()`.
 *
 * amqplib has a recovery of its own; ours is here because it must tell a refused password from an absent broker,
 * kill sockets that hang, and let channels be owned by those who know what to declare on them.
 *
 * @throws BrokerAuthenticationError at once when user name or password are refused.
 * @throws BrokerRefusedError at once when the virtual host is not open to the user.
 * @throws BrokerUnavailableError when there was no broker within `startTimeoutMs`.
 * @throws CancelledError when `startSignal` was aborted before there was one.
 */
export async function connectBroker(options: BrokerOptions): Promise<BrokerConnection> {
  return new RabbitmqBroker(await RabbitmqConnection.open(options));
}

/** RabbitMQ as a broker: the connection, and what is done on its channels. */
class RabbitmqBroker implements BrokerConnection {
  readonly broker: string;
  readonly log: Logger;
  readonly #connection: RabbitmqConnection;

  constructor(connection: RabbitmqConnection) {
    this.#connection = connection;
    this.broker = connection.broker;
    this.log = connection.log;
  }

  state(): BrokerState {
    return this.#connection.state();
  }

  onChange(listener: () => void): () => void {
    return this.#connection.onChange(listener);
  }

  async ready(operation: string, timeoutMs: number): Promise<void> {
    await this.#connection.ready(operation, timeoutMs);
  }

  declareQueue(queue: string): Promise<void> {
    return declareQueue(this.#connection, queue);
  }

  declareDelayQueue(queue: string, delayMs: number): Promise<string> {
    return declareDelayQueue(this.#connection, queue, delayMs);
  }

  queueDepth(queue: string): Promise<QueueDepth> {
    return queueDepth(this.#connection, queue);
  }

  purgeQueue(queue: string): Promise<number> {
    return purgeQueue(this.#connection, queue);
  }

  publishChannel(timeoutMs: number): PublishChannel {
    return new RabbitmqPublishChannel(this.#connection, timeoutMs);
  }

  subscribe(prefetch: number, events: SubscriptionEvents): Promise<Subscription> {
    return RabbitmqSubscription.open(this.#connection, prefetch, events);
  }

  hold<T>(queue: string, work: (held: HeldMessages) => Promise<T>): Promise<T> {
    return onChannel(
      this.#connection,
      `basic.get ${queue}`,
      async (channel) => {
        const { messageCount } = await channel.checkQueue(queue);
        const result = await work({
          count: messageCount,
          // What we get and do not ack is held by the broker, so that the next get brings the next message.
          next: async () => {
            const message = await channel.get(queue);
            return message === false ? undefined : deliveryOf(channel, message);
          },
        });
        // All that is unacked, in one frame; the broker puts each back in its old place.
        channel.nackAll(true);
        return result;
      },
      NO_TIMEOUT_MS,
    );
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

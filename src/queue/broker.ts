import type { Logger } from '../core/log.js';
import type { MessageProperties } from './message-properties.js';

/** AMQP priorities run from 0 to this. */
export const MAX_PRIORITY = 5;

/** How long a broker may take to answer a declaration, an open, a purge. */
export const RPC_TIMEOUT_MS = 10_000;

export interface BrokerState {
  readonly state: 'connected' | 'connecting' | 'closed';
  /** Why it is not connected, or that the broker takes no messages at the moment; else null. */
  readonly reason: string | null;
}

/** What a queue holds that is ready to be taken; what consumers hold unacked is not counted. */
export interface QueueDepth {
  readonly depth: number;
  readonly consumers: number;
}

/** A message's properties as they came: anybody may have set them to anything. */
export type ReceivedProperties = {
  readonly [Name in keyof MessageProperties]?: unknown;
} & { readonly headers?: Readonly<Record<string, unknown>> | undefined };

/** A message as a broker hands it out. */
export interface QueueMessage {
  readonly content: Buffer;
  readonly properties: ReceivedProperties;
}

/** One delivery of a message: the right to end it, for as long as its channel is there. */
export interface ChannelDelivery {
  /** What it came on. When that is gone the broker gives the message out again. */
  readonly channel: object;
  readonly message: QueueMessage;
  /** It was given out before. */
  readonly redelivered: boolean;
  /** The broker forgets the message. @throws BrokerError when that is not sure */
  ack(): Promise<void>;
  /** Puts it back in its place. Never throws: a channel that is gone has given it back already. */
  giveBack(): void;
}

/** The way of messages to a broker. */
export interface PublishChannel {
  /** Messages that were sent and not yet confirmed. */
  readonly unconfirmed: number;
  /** See `Publisher.publish`. */
  publish(queue: string, body: Buffer, properties: MessageProperties, expirationMs?: number): Promise<void>;
  /** What is not confirmed by then fails. */
  close(): Promise<void>;
}

export interface SubscriptionEvents {
  delivered(delivery: ChannelDelivery): void;
  /** The broker ended the subscription because the queue was deleted; the channel is still there. */
  cancelled(): void;
  /** The channel is gone, with the connection or alone, and with it every delivery of it. */
  lost(reason: string): void;
}

/** A channel with a prefetch, on which messages of a queue are asked for or not. It lives as long as its channel. */
export interface Subscription {
  /** As in `ChannelDelivery`. */
  readonly channel: object;
  readonly isConsuming: boolean;
  /** Asks for messages. @throws BrokerError; then the channel is closed. */
  consume(queue: string): Promise<void>;
  /** Asks for no more. When it resolves nothing comes any more. @throws BrokerError; then the channel is closed. */
  cancel(): Promise<void>;
  /** Closes the channel; what was not acked on it goes back to the queue. */
  close(): Promise<void>;
}

/** Messages that are looked at one after the other and stay where they are unless acked. */
export interface HeldMessages {
  /** How many were ready at the start. */
  readonly count: number;
  /** The next, in the queue's order; undefined = there is none. */
  next(): Promise<ChannelDelivery | undefined>;
}

/**
 * A message broker: RabbitMQ, or the tables of a database. What they guarantee is the same: a message whose publish has
 * resolved is kept until it is acked, whatever is killed meanwhile; higher priorities come first, equal ones in
 * their order; what is not acked comes again when its channel is gone.
 */
export interface BrokerConnection {
  /** For logs and errors: `host:port`, or the database's name. */
  readonly broker: string;
  readonly log: Logger;
  state(): BrokerState;
  /** Calls `listener` after every change of the state. @returns a function that ends it. */
  onChange(listener: () => void): () => void;
  /** Resolves as soon as the broker takes something. @throws BrokerUnavailableError when that is not so in time */
  ready(operation: string, timeoutMs: number): Promise<unknown>;
  /** See `declareQueue` of queues.ts; the others likewise. */
  declareQueue(queue: string): Promise<void>;
  declareDelayQueue(queue: string, delayMs: number): Promise<string>;
  queueDepth(queue: string): Promise<QueueDepth>;
  purgeQueue(queue: string): Promise<number>;
  /** @param timeoutMs how long a publish waits for the broker to be there, and again for its confirm */
  publishChannel(timeoutMs: number): PublishChannel;
  /** @throws BrokerError */
  subscribe(prefetch: number, events: SubscriptionEvents): Promise<Subscription>;
  /** Holds the queue's messages for `work`; what is not acked by its end goes back, each in its place. @throws BrokerError */
  hold<T>(queue: string, work: (held: HeldMessages) => Promise<T>): Promise<T>;
  /** Ends the connection, whether the broker answers or not. What was delivered and not acked goes back. */
  close(): Promise<void>;
}

/** `imaging-primary.retry.5000`: the delay is in the name, so another policy needs no other properties of it. */
export function delayQueueName(queue: string, delayMs: number): string {
  return `${queue}.retry.${delayMs}`;
}

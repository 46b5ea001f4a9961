/**
 * What a queue hands to a handler and what a handler may answer. The queue knows nothing of imaging and the
 * pipeline nothing of a broker: they meet in these types.
 */
export interface Delivery {
  /** The message's bytes, exactly as published. */
  readonly body: Buffer;
  /** The queue that it came from. */
  readonly queue: string;
  /** AMQP priority, 0 to 5. */
  readonly priority: number;
  /** 1 for the first try; counts the tries that ended in a retry, over restarts too. */
  readonly attempt: number;
  /** The last attempt that the retry policy allows is this one. */
  readonly isLastAttempt: boolean;
  /** When the first attempt began, as far as is known (ISO 8601). */
  readonly receivedAt: string;
}

/** What is to become of a delivery. Each is made safe with the broker before the delivery is acked. */
export type Disposition =
  /** Done with: ack. */
  | { readonly kind: 'done' }
  /** The same bytes with the same priority to another queue, publisher confirm, ack. */
  | { readonly kind: 'forward'; readonly to: string }
  /** The same bytes again after the retry policy's delay; after the last attempt they are parked as `outcome`. */
  | { readonly kind: 'retry'; readonly code: string; readonly reason: string; readonly outcome: string }
  /** The same bytes again after the policy's first delay, and this try does not count: the message is not to blame. */
  | { readonly kind: 'defer'; readonly code: string; readonly reason: string }
  /** To the failed queue, with the reason in its headers. */
  | { readonly kind: 'park'; readonly outcome: string; readonly code: string; readonly reason: string };

/**
 * Does the work of one message. A thrown error is a `retry` when its `retry` is `later`, else a `park`.
 * `signal` is aborted when the consumer is being closed and the grace time is over.
 */
export type Handler = (delivery: Delivery, signal: AbortSignal) => Promise<Disposition>;

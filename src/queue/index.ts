/** The queue: a library for any service that works on messages from RabbitMQ. It knows nothing of imaging. */
export {
  connectBroker,
  type BrokerConnection,
  type BrokerOptions,
  type BrokerState,
  type BrokerTls,
} from './connection.js';
export { consume, type ConsumeOptions, type ConsumerState, type QueueConsumer } from './consumer.js';
export {
  BrokerAuthenticationError,
  BrokerError,
  BrokerRefusedError,
  BrokerUnavailableError,
  PublishNackedError,
  QueueMismatchError,
  UnroutableError,
} from './errors.js';
export {
  retryFailed,
  type FailedMessage,
  type RetryFailedOptions,
  type RetryFailedResult,
} from './failed-queue.js';
export { Header, type MessageProperties } from './message-properties.js';
export { Publisher, type OutgoingMessage, type PublisherOptions } from './publisher.js';
export {
  defaultRetryPolicy,
  isLastAttempt,
  jitteredMs,
  retryDelayMs,
  type RetryPolicy,
} from './retry-policy.js';
export {
  declareDelayQueue,
  declareQueue,
  delayQueueName,
  examineDelayQueue,
  examineQueue,
  MAX_PRIORITY,
  purgeQueue,
  queueDepth,
  type QueueDepth,
} from './topology.js';
export type { Delivery, Disposition, Handler } from '../core/delivery.js';

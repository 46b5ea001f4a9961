/** The queue: a library for any service that works on messages, from RabbitMQ or from tables of a database. It knows nothing of imaging. */
export {
  delayQueueName,
  MAX_PRIORITY,
  type BrokerConnection,
  type BrokerState,
  type QueueDepth,
} from './broker.js';
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
  hasOrigin,
  lookThroughFailed,
  retryFailed,
  type FailedMessage,
  type LookThroughFailedOptions,
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
  examineDelayQueue,
  examineQueue,
  purgeQueue,
  queueDepth,
} from './queues.js';
export { connectBroker } from './rabbitmq/broker.js';
export type { BrokerOptions, BrokerTls } from './rabbitmq/connection.js';
export { openTableBroker, type TableBrokerOptions } from './embedded/table-broker.js';
export type { Delivery, Disposition, Handler } from '../core/delivery.js';

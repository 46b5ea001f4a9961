import { PixlError, type Retry } from '../core/errors.js';

/** What went wrong between us and the broker; every error of this folder that concerns the broker is one. */
export abstract class BrokerError extends PixlError {
  /** As in `BrokerConnection`. */
  readonly broker: string;
  /** What was being done, in AMQP's words. */
  readonly operation: string;
  /** AMQP's reply code (0-9-1, 1.2), if the broker gave one. */
  readonly replyCode: number | null;

  constructor(
    facts: { broker: string; operation: string; replyCode?: number | null },
    problem: string,
    options?: { cause?: unknown },
  ) {
    const code = facts.replyCode ?? null;
    super(
      `broker ${facts.broker}: ${facts.operation}: ${code === null ? '' : `${code} `}${problem}`,
      options,
    );
    this.broker = facts.broker;
    this.operation = facts.operation;
    this.replyCode = code;
  }
}

/** The broker is not there, went away before it answered, or takes nothing at the moment. */
export class BrokerUnavailableError extends BrokerError {
  readonly code = 'BROKER_UNAVAILABLE';
  readonly retry = 'later';
}

/** The broker knows no such user with such a password. */
export class BrokerAuthenticationError extends BrokerError {
  readonly code = 'BROKER_AUTHENTICATION';
  readonly retry = 'never';
}

/** The broker said no to one operation, for example because the user may not do it. */
export class BrokerRefusedError extends BrokerError {
  readonly code = 'BROKER_REFUSED';
  /** What only changes when somebody changes rights or settings is not worth repeating. */
  get retry(): Retry {
    return this.replyCode !== null && [402, 403, 404, 406, 530].includes(this.replyCode) ? 'never' : 'later';
  }
}

/** Somebody declared the queue with other properties than the ones that are shared by all its users. */
export class QueueMismatchError extends BrokerError {
  readonly code = 'QUEUE_MISMATCH';
  readonly retry = 'never';
  readonly queue: string;
  /** The properties that we expect. */
  readonly expected: string;

  constructor(facts: { broker: string; queue: string; expected: string; brokerSays: string }) {
    super(
      { broker: facts.broker, operation: 'queue.declare', replyCode: 406 },
      `the queue ${facts.queue} exists with other properties; expected ${facts.expected}; ${facts.brokerSays}`,
    );
    this.queue = facts.queue;
    this.expected = facts.expected;
  }
}

/** A message was published to a queue that does not exist; the broker kept no copy. */
export class UnroutableError extends BrokerError {
  readonly code = 'UNROUTABLE';
  readonly retry = 'later';
  readonly queue: string;

  constructor(broker: string, queue: string) {
    super({ broker, operation: 'basic.publish', replyCode: 312 }, `no queue ${queue}`);
    this.queue = queue;
  }
}

/** The broker answered a publish with basic.nack: it could not take responsibility for the message. */
export class PublishNackedError extends BrokerError {
  readonly code = 'PUBLISH_NACKED';
  readonly retry = 'later';
  readonly queue: string;

  constructor(broker: string, queue: string) {
    super({ broker, operation: 'basic.publish' }, `the broker could not store a message for ${queue}`);
    this.queue = queue;
  }
}

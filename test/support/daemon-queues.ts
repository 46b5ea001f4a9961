import { expectNoCanary } from './canary.js';

/** A message as it lies in a queue. */
export interface LyingMessage {
  readonly content: Buffer;
  readonly properties: Readonly<Record<string, unknown>> & {
    readonly priority?: unknown;
    readonly expiration?: unknown;
    readonly headers?: Readonly<Record<string, unknown>> | undefined;
  };
  /** It outlives a restart of the broker. */
  readonly persistent: boolean;
}

export interface PublishOptions {
  readonly priority?: number;
  readonly messageId?: string;
}

/** A message on its way, looked at before the daemon gets it. */
export interface Tapped {
  readonly message: LyingMessage;
  /** Gives it back to the queue; the daemon gets it then. */
  readonly release: () => Promise<void>;
}

/** Messages of a queue that come to a test first. */
export interface Tap {
  next(): Promise<Tapped>;
  close(): Promise<void>;
}

/** The queues of one daemon, as producers and those who look after the broker get at them; the daemon may run or not. */
export interface DaemonQueues {
  /** What a daemon needs to be told of its broker. */
  readonly environment: Readonly<Record<string, string>>;
  /** Options of `serve`. */
  readonly options: readonly string[];
  publish(queue: string, bodies: readonly Buffer[], options: PublishOptions): Promise<void>;
  /** How many messages are ready in each, in this order. A queue that is not there has none. */
  depths(queues: readonly string[]): Promise<number[]>;
  /** Everything that is ready, taken off the queue. */
  drain(queue: string): Promise<LyingMessage[]>;
  /** From now on messages of the queue come here first. */
  tap(queue: string): Promise<Tap>;
  /** The daemon has ended, and nobody needs these queues any more. */
  close(queues: readonly string[]): Promise<void>;
}

/** @throws when the headers of a message, or another property, show an identifier. Its content may. */
export function withoutCanaries(message: LyingMessage): LyingMessage {
  expectNoCanary(JSON.stringify(message.properties), 'a property of a message');
  return message;
}

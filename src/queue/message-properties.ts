import { createHash } from 'node:crypto';

/** What of a message's AMQP properties is kept when it is published again. */
export interface MessageProperties {
  /** 0 (none given) to 5. */
  readonly priority?: number;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly messageId?: string;
  readonly correlationId?: string;
  readonly replyTo?: string;
  readonly type?: string;
  readonly appId?: string;
  /** Seconds since 1970. */
  readonly timestamp?: number;
  readonly headers?: Readonly<Record<string, unknown>>;
}

/** What is read of a message, whoever delivered it: anybody may have set its properties to anything. */
interface ReceivedMessage {
  readonly content: Buffer;
  readonly properties: { readonly [Name in keyof MessageProperties]?: unknown } & {
    readonly headers?: Readonly<Record<string, unknown>> | undefined;
  };
}

/** Our headers. All begin with `x-pixl-`, and none of them outlives its use. */
export const Header = {
  /** Tries that ended in a retry. */
  attempts: 'x-pixl-attempts',
  /** When the first try began, ISO 8601. */
  receivedAt: 'x-pixl-received-at',
  outcome: 'x-pixl-outcome',
  code: 'x-pixl-code',
  reason: 'x-pixl-reason',
  /** The queue from which it was parked. */
  queue: 'x-pixl-queue',
  /** When it was parked, ISO 8601. */
  failedAt: 'x-pixl-failed-at',
} as const;

const OUR_HEADER = /^x-pixl-/;
/** Routing orders to the broker for the first publish; repeated they would send copies to other queues again. */
const ROUTING_HEADER = /^b?cc$/i;
const DELAY_QUEUE = /\.retry\.\d+$/;

/**
 * The properties to publish the message with again: as they came, without our headers and without the traces of our
 * delay queues. Left out besides: `expiration` (a message that is handed on must not vanish) and `userId` (the broker
 * takes only our own).
 */
export function keptProperties(message: ReceivedMessage): MessageProperties {
  const { properties } = message;
  const kept: Record<string, unknown> = { headers: foreignHeaders(properties.headers ?? {}) };
  const names = [
    'priority',
    'contentType',
    'contentEncoding',
    'messageId',
    'correlationId',
    'replyTo',
    'type',
    'appId',
    'timestamp',
  ] as const;
  for (const name of names) if (properties[name] !== undefined) kept[name] = properties[name];
  return kept;
}

function foreignHeaders(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const ours = (queue: unknown): boolean => typeof queue === 'string' && DELAY_QUEUE.test(queue);
  const deadLettered = ours(headers['x-first-death-queue']);
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (OUR_HEADER.test(name) || ROUTING_HEADER.test(name)) continue;
    if (deadLettered && name.startsWith('x-first-death-')) continue;
    if (name === 'x-death' && Array.isArray(value)) {
      const deaths = value.filter((death: { queue?: unknown } | null) => !ours(death?.queue));
      if (deaths.length > 0) kept[name] = deaths;
    } else kept[name] = value;
  }
  return kept;
}

/** The properties with headers of ours added. */
export function withHeaders(
  properties: MessageProperties,
  headers: Readonly<Record<string, unknown>>,
): MessageProperties {
  return { ...properties, headers: { ...properties.headers, ...headers } };
}

/** The text in a header of a message, if it is one. */
export function headerText(message: ReceivedMessage, name: string): string | undefined {
  const value: unknown = message.properties.headers?.[name];
  return typeof value === 'string' ? value : undefined;
}

/** More tries than any policy allows; the ledger's column holds 32 bits. */
const MOST_ATTEMPTS = 1_000_000;

/** Tries before this one, as the message's header says; a value that is no such count is none. */
export function attemptsBefore(message: ReceivedMessage): number {
  const value: unknown = message.properties.headers?.[Header.attempts];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) return 0;
  return Math.min(value, MOST_ATTEMPTS);
}

/** The same for a message and its redelivery; messages that have it in common are interchangeable. */
export function fingerprint(message: ReceivedMessage): string {
  const hash = createHash('sha256').update(message.content);
  return hash.update(JSON.stringify(message.properties)).digest('base64');
}

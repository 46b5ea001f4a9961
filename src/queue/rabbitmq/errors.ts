import { PixlError } from '../../core/errors.js';
import { BrokerAuthenticationError, BrokerRefusedError, BrokerUnavailableError } from '../errors.js';

/** Texts of amqplib that say why a connection ended; nothing of a message or of the credentials is in them. */
const KNOWN_ENDINGS = [
  'Heartbeat timeout',
  'Unexpected close',
  'Socket closed abruptly during opening handshake',
  'connect ETIMEDOUT',
  'channel closed',
  'Channel ended, no reply will be forthcoming',
];

/** Why it ended, in few words that can be logged. */
export function endingOf(error: unknown): string {
  if (!(error instanceof Error)) return 'closed';
  const code: unknown = (error as { code?: unknown }).code;
  if (typeof code === 'number') return `${code} ${replyTextOf(error)}`;
  if (error.name === 'AbortError') return 'given up';
  if (typeof code === 'string') return code;
  return KNOWN_ENDINGS.find((text) => error.message.includes(text)) ?? error.name;
}

/** The broker's own words out of amqplib's text. They name queues, hosts and users, never data or a password. */
function replyTextOf(error: Error): string {
  const text = /with message "(.*)"$/s.exec(error.message)?.[1] ?? '';
  return text.slice(0, 300);
}

/** One of our errors for anything that amqplib threw or emitted. */
export function toBrokerError(broker: string, operation: string, error: unknown): PixlError {
  if (error instanceof PixlError) return error;
  const message = error instanceof Error ? error.message : '';
  const handshake = /^Handshake terminated by server: (\d+)/.exec(message)?.[1];
  if (handshake === '403')
    return new BrokerAuthenticationError(
      { broker, operation, replyCode: 403 },
      'user name or password refused',
    );
  if (message.startsWith('Expected ConnectionOpenOk; got <ConnectionClose'))
    return new BrokerRefusedError(
      { broker, operation: 'connection.open', replyCode: 530 },
      'the virtual host does not exist or is not open to this user',
    );
  const replyCode: unknown = (error as { code?: unknown } | null)?.code;
  // 320 CONNECTION_FORCED and 541 INTERNAL_ERROR are the broker going away, not its opinion of what we asked.
  if (typeof replyCode === 'number' && replyCode !== 320 && replyCode !== 541)
    return new BrokerRefusedError({ broker, operation, replyCode }, replyTextOf(error as Error), {
      cause: error,
    });
  return new BrokerUnavailableError({ broker, operation }, endingOf(error), { cause: error });
}

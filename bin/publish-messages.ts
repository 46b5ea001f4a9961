import type { ApiServices } from '../src/api/index.js';
import type { Config } from '../src/core/config/index.js';
import { parseImagingMessage } from '../src/core/message.js';
import { encodePickledMessage } from '../src/core/pickled-message.js';
import {
  BrokerUnavailableError,
  type BrokerConnection,
  type OutgoingMessage,
  type Publisher,
} from '../src/queue/index.js';

export type MessageEncoder = (body: Buffer) => Buffer;

/** From the plain JSON of a message to what is put on the queue (PIXL_MESSAGE_FORMAT). */
export function messageEncoder(format: Config['messageFormat']): MessageEncoder {
  return format === 'json' ? (body) => body : (body) => encodePickledMessage(parseImagingMessage(body));
}

/** How long a request waits for a broker that is away; it may be back in a moment, and the client can ask again. */
const AWAY_MS = 1_000;
const OPERATION = 'POST /messages';

/** What `POST /messages` publishes with. */
export function messagePublisher(
  connection: BrokerConnection,
  publisher: Publisher,
  queue: string,
  encode: MessageEncoder,
): ApiServices['publishMessages'] {
  return async (bodies, priority) => {
    await connection.ready(OPERATION, AWAY_MS);
    const given = new AbortController();
    try {
      const messages = outgoing(bodies.map(encode), priority, given.signal);
      await whileTaken(connection, publisher.publishAll(queue, messages));
    } finally {
      given.abort();
    }
  };
}

/** @param given aborted when the request was answered: nothing more is published for it */
function* outgoing(
  bodies: readonly Buffer[],
  priority: number,
  given: AbortSignal,
): Generator<OutgoingMessage> {
  for (const body of bodies) {
    if (given.aborted) return;
    yield { body, properties: { priority, contentType: 'application/json' } };
  }
}

/**
 * @throws what `work` throws; BrokerUnavailableError as soon as the broker has said for AWAY_MS that it takes nothing (a memory or
 *   disk alarm). It says so after the first message that it does not take
 */
async function whileTaken<T>(connection: BrokerConnection, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let forget = (): void => undefined;
  const blocked = new Promise<never>((_resolve, reject) => {
    const look = (): void => {
      const { state, reason } = connection.state();
      clearTimeout(timer);
      if (state !== 'connected' || reason === null) return;
      const error = new BrokerUnavailableError({ broker: connection.broker, operation: OPERATION }, reason);
      timer = setTimeout(() => reject(error), AWAY_MS);
    };
    forget = connection.onChange(look);
    look();
  });
  work.catch(() => undefined); // what comes of it after the answer is nobody's
  try {
    return await Promise.race([work, blocked]);
  } finally {
    clearTimeout(timer);
    forget();
  }
}

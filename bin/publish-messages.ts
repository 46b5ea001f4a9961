import type { ApiServices } from '../src/api/index.js';
import type { BrokerConnection, OutgoingMessage, Publisher } from '../src/queue/index.js';

/** How long a request waits for a broker that is away; it may be back in a moment, and the client can ask again. */
const AWAY_MS = 1_000;

/** What `POST /messages` publishes with. */
export function messagePublisher(
  connection: BrokerConnection,
  publisher: Publisher,
  queue: string,
): ApiServices['publishMessages'] {
  return async (bodies, priority) => {
    await connection.ready('POST /messages', AWAY_MS);
    await publisher.publishAll(queue, outgoing(bodies, priority));
  };
}

function* outgoing(bodies: readonly Buffer[], priority: number): Generator<OutgoingMessage> {
  for (const body of bodies) yield { body, properties: { priority, contentType: 'application/json' } };
}

import { createServer, type RequestListener, type Server } from 'node:http';
import type { ConnectionLimits, Connections } from './connections.js';
import { oneAtATime } from './one-at-a-time.js';

/** What one client may take of us. Times in milliseconds. */
export interface ApiLimits extends ConnectionLimits {
  /** Of one client, on all its connections; `Infinity` = as many as it likes. See request-rate.ts. */
  readonly requestsPerSecond: number;
  /** For the header fields; they are small, and a client that drips them holds a connection. */
  readonly headersTimeoutMs: number;
  /** For a whole request: 16 MiB over a slow line. */
  readonly requestTimeoutMs: number;
  /** How long a connection without a request stays open. */
  readonly keepAliveMs: number;
  /** A connection on which nothing moves, though a request is under way; above the publisher's own timeouts. */
  readonly idleMs: number;
  /** How often the timeouts are looked after. */
  readonly checkEveryMs: number;
  /** How long requests that are under way may take at `close`. */
  readonly closeGraceMs: number;
}

/** For clients on one machine, or in one hospital. */
export const DEFAULT_LIMITS: ApiLimits = {
  connections: 256,
  connectionsPerClient: 128,
  requestsPerSecond: 100,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveMs: 5_000,
  idleMs: 120_000,
  checkEveryMs: 2_000,
  closeGraceMs: 5_000,
};

/** Of all header fields together; browsers send the cookies of every service on this machine along. */
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADER_FIELDS = 100;

/** An HTTP server that holds to the limits, on `connections` with others of its kind; not listening yet. */
export function limitedServer(limits: ApiLimits, connections: Connections, handler: RequestListener): Server {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    // Node would answer a request without it in a shape of its own; the guard looks after it.
    requireHostHeader: false,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.checkEveryMs,
  });
  server.maxHeadersCount = MAX_HEADER_FIELDS;
  server.setTimeout(limits.idleMs);
  server.on('connection', (socket) => connections.add(socket));
  server.on('request', ({ socket }, response) => connections.use(socket, response));
  server.on('request', oneAtATime(handler));
  return server;
}

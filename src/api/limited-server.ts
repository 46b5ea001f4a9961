import type { Socket } from 'node:net';
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
  server.on('connection', (socket) => {
    connections.add(socket);
    lingerAtEnd(socket, limits.keepAliveMs);
  });
  server.on('request', ({ socket }, response) => connections.use(socket, response));
  server.on('request', oneAtATime(handler));
  return server;
}

/**
 * Node ends a connection by closing it behind the last answer. A client that still sends a body which was refused is met with a reset then, and
 * may never see the answer: so it is told that nothing more comes, and what it sends is thrown away until it is done, for a while
 * (RFC 9112 9.6).
 */
function lingerAtEnd(socket: Socket, ms: number): void {
  socket.destroySoon = () => {
    socket.end();
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.once('close', () => clearTimeout(timer));
  };
}

import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';

/** What one client may take of us. Times in milliseconds. */
export interface ApiLimits {
  readonly connections: number;
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

export interface LimitedServer {
  readonly server: Server;
  /**
   * Ends the connections on which no request is under way. Node's own closeIdleConnections leaves those on which there
   * was none yet, and browsers open such ones in advance.
   */
  readonly endUnused: () => void;
}

/** An HTTP server that holds to the limits; not listening yet. */
export function limitedServer(limits: ApiLimits, handler: RequestListener): LimitedServer {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      // Node would answer a request without it in a shape of its own; the guard looks after it.
      requireHostHeader: false,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkEveryMs,
    },
    handler,
  );
  server.maxConnections = limits.connections;
  server.maxHeadersCount = MAX_HEADER_FIELDS;
  server.setTimeout(limits.idleMs);

  const unused = new Set<Socket>();
  server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    unused.delete(socket);
    response.once('close', () => {
      if (!socket.destroyed) unused.add(socket);
    });
  });
  return {
    server,
    endUnused: () => {
      for (const socket of unused) socket.destroy();
    },
  };
}

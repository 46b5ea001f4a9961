import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { isLoopback } from '../core/config/index.js';
import type { Logger } from '../core/log.js';
import { answerUnreadable, errorReplies } from './error-replies.js';
import { ListenError, OpenWithoutTokenError, RequestRefusedError } from './errors.js';
import { guard } from './guard.js';
import { readStrictJson } from './json-body.js';
import { addDocs, collectSchemas } from './routes/docs.js';
import { addHeartBeat } from './routes/heart-beat.js';
import { addMessages } from './routes/messages.js';
import { addMetrics } from './routes/metrics.js';
import { addStatus } from './routes/status.js';
import { addTokenBucketRefreshRate } from './routes/token-bucket-refresh-rate.js';
import { errorSchema } from './schemas.js';
import type { ApiServices } from './services.js';

/** What one client may take of us. Times in milliseconds. */
export interface ApiLimits {
  readonly connections: number;
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

const DEFAULT_LIMITS: ApiLimits = {
  connections: 256,
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
/** For bodies but those of messages. */
const SMALL_BODY_BYTES = 16 * 1024;

export interface ApiOptions {
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
  /** null = whoever can connect may do everything; only on a loopback address. */
  readonly token: string | null;
  readonly services: ApiServices;
  readonly log: Logger;
  /** Shown by the OpenAPI page. */
  readonly version?: string;
  readonly limits?: Partial<ApiLimits>;
}

export interface Api {
  /** Without a slash at its end. */
  readonly url: string;
  /** Takes no more connections and lets requests that are under way end, for at most `closeGraceMs`. */
  close(): Promise<void>;
}

/**
 * Starts the HTTP API.
 *
 * @throws OpenWithoutTokenError when other machines could reach it and there is no token.
 * @throws ListenError when the address cannot be had.
 */
export async function startApi(options: ApiOptions): Promise<Api> {
  if (options.token === null && !isLoopback(options.host)) throw new OpenWithoutTokenError(options.host);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const servers: Server[] = [];
  const app = await buildApi(options, limits, servers);
  const host = options.host.replace(/^\[(.*)\]$/, '$1');
  try {
    await app.listen({ host, port: options.port, listenTextResolver: () => '' });
  } catch (error) {
    await app.close();
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new ListenError(urlOf(host, options.port), code, error);
  }
  const url = urlOf(host, (app.server.address() as AddressInfo).port);
  options.log.info({ operation: 'listen', url }, 'HTTP API is up');
  return { url, close: () => closeWithin(app, servers, limits.closeGraceMs) };
}

/** The API without its socket, on servers that are added to `servers` as they are made. */
async function buildApi(options: ApiOptions, limits: ApiLimits, servers: Server[]): Promise<FastifyInstance> {
  const replyToError = errorReplies(options.log);
  let isClosing = false;
  const app = fastify({
    // "localhost" is two addresses, and each gets a server of its own; the limits are to hold for both.
    serverFactory: (handler) => {
      const server = limitedServer(limits, handler);
      servers.push(server);
      return server;
    },
    bodyLimit: SMALL_BODY_BYTES,
    clientErrorHandler: (error, socket) => answerUnreadable(error, socket),
    frameworkErrors: (error, request, reply) => replyToError(error, request, reply),
  });
  // The schemas are for the documentation: see schemas.ts.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(replyToError);
  app.setNotFoundHandler((request, reply) =>
    replyToError(new RequestRefusedError('NOT_FOUND', 'there is no such page'), request, reply),
  );
  app.addHook('onRequest', guard(options));
  app.addHook('preClose', (done) => {
    isClosing = true;
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    void reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    if (isClosing) void reply.header('connection', 'close');
    done(null, payload);
  });
  readStrictJson(app);
  app.addSchema(errorSchema);
  await collectSchemas(app, options.version ?? '0');
  addHeartBeat(app);
  addMessages(app, options.services, options.log);
  addTokenBucketRefreshRate(app, options.services, options.log);
  addStatus(app, options.services);
  addMetrics(app, options.services);
  await addDocs(app);
  await app.ready();
  return app;
}

function limitedServer(limits: ApiLimits, handler: Parameters<typeof createServer>[1]): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
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
  return server;
}

async function closeWithin(app: FastifyInstance, servers: readonly Server[], graceMs: number): Promise<void> {
  const timer = setTimeout(() => {
    for (const server of servers) server.closeAllConnections();
  }, graceMs);
  try {
    // With a server factory fastify leaves idle connections to us.
    const closed = app.close();
    for (const server of servers) server.closeIdleConnections();
    await closed;
  } finally {
    clearTimeout(timer);
  }
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

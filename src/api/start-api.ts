import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { isLoopback } from '../core/config/index.js';
import type { Logger } from '../core/log.js';
import { Connections } from './connections.js';
import { answerUnreadable, errorReplies } from './error-replies.js';
import { ListenError, OpenWithoutTokenError, RequestRefusedError } from './errors.js';
import { guard } from './guard.js';
import { readStrictJson } from './json-body.js';
import { DEFAULT_LIMITS, limitedServer, type ApiLimits } from './limited-server.js';
import { addDocs, collectSchemas } from './routes/docs.js';
import { addExportDicom } from './routes/export-dicom.js';
import { addExportPatientData } from './routes/export-patient-data.js';
import { addHeartBeat } from './routes/heart-beat.js';
import { addMessages } from './routes/messages.js';
import { addMetrics } from './routes/metrics.js';
import { addStatus } from './routes/status.js';
import { addTokenBucketRefreshRate } from './routes/token-bucket-refresh-rate.js';
import { errorSchema } from './schemas.js';
import type { ApiServices } from './services.js';

const TOO_LARGE = 413;
/** For bodies but those of messages. */
const SMALL_BODY_BYTES = 16 * 1024;

/** As many characters as 64 random bits have in hex: no guessing over HTTP comes to an end. */
const SOUND_TOKEN_LENGTH = 16;

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
  const connections = new Connections(limits);
  const app = await buildApi(options, limits, connections);
  const host = options.host.replace(/^\[(.*)\]$/, '$1');
  try {
    await app.listen({ host, port: options.port, listenTextResolver: () => '' });
  } catch (error) {
    await app.close();
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new ListenError(urlOf(host, options.port), code, error);
  }
  const url = urlOf(host, (app.server.address() as AddressInfo).port);
  if ((options.token?.length ?? Infinity) < SOUND_TOKEN_LENGTH)
    options.log.warn(
      { operation: 'listen' },
      'PIXL_API_TOKEN is short and could be guessed; take a long random one',
    );
  options.log.info({ operation: 'listen', url }, 'HTTP API is up');
  return { url, close: () => closeWithin(app, connections, limits.closeGraceMs) };
}

/** The API without its socket. */
async function buildApi(
  options: ApiOptions,
  limits: ApiLimits,
  connections: Connections,
): Promise<FastifyInstance> {
  const replyToError = errorReplies(options.log);
  let isClosing = false;
  const app = fastify({
    // "localhost" is two addresses, and each gets a server of its own; the limits are to hold for both.
    serverFactory: (handler) => limitedServer(limits, connections, handler),
    // What comes on an open connection while the others end is answered as ever, and is the last on it.
    return503OnClosing: false,
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
  app.addHook('onRequest', guard({ ...options, requestsPerSecond: limits.requestsPerSecond }));
  app.addHook('onRequest', refuseOnSpare(connections));
  app.addHook('preClose', (done) => {
    isClosing = true;
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    void reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    // The connection of a client that is still sending would be reset, and the answer lost: Node reads the rest and drops it,
    // for as long as a request may take.
    if (reply.statusCode === TOO_LARGE) void reply.removeHeader('connection');
    if (isClosing) void reply.header('connection', 'close');
    done(null, payload);
  });
  readStrictJson(app);
  app.addSchema(errorSchema);
  await collectSchemas(app, options.version ?? '0');
  addHeartBeat(app);
  addMessages(app, options.services, options.log);
  addTokenBucketRefreshRate(app, options.services, options.log);
  addExportDicom(app, options.services, options.log);
  addExportPatientData(app, options.services, options.log);
  addStatus(app, options.services);
  addMetrics(app, options.services);
  await addDocs(app);
  await app.ready();
  return app;
}

/** Keeps the connections above the limits for the heart beat: who watches the process must not take it for dead. */
function refuseOnSpare(
  connections: Connections,
): (request: FastifyRequest, reply: FastifyReply, done: () => void) => void {
  return ({ routeOptions, raw: { socket } }, reply, done) => {
    if (routeOptions.config.open !== true && connections.isSpare(socket)) {
      reply.header('connection', 'close');
      throw new RequestRefusedError(
        'TOO_BUSY',
        'requests are under way on as many connections as may be open',
      );
    }
    done();
  };
}

async function closeWithin(app: FastifyInstance, connections: Connections, graceMs: number): Promise<void> {
  const timer = setTimeout(() => connections.endAll(), graceMs);
  try {
    const closed = app.close();
    connections.endUnused();
    await closed;
  } finally {
    clearTimeout(timer);
  }
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { codeOf, describeError, InternalError, PixlError } from '../core/errors.js';
import type { Logger } from '../core/log.js';
import { RequestRefusedError, type RefusalCode } from './errors.js';

/** Seconds after which a client may come back; a broker that restarts takes about that long. */
const RETRY_AFTER_S = 5;

/** What fastify refuses by itself, in our codes. Its own texts quote the request. */
const FASTIFY_REFUSALS: Readonly<Record<string, readonly [RefusalCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['BODY_TOO_LARGE', 'the body is larger than this endpoint takes'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'the body must be application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['BAD_REQUEST', 'the body is not as long as Content-Length says'],
  FST_ERR_BAD_URL: ['BAD_REQUEST', 'the path is not a valid URL'],
};

/** Answers every error in one shape: `{"error": {"code", "message"}}`. Stack traces and foreign texts stay here. */
export function errorReplies(
  log: Logger,
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const refusal = refusalOf(error);
    if (refusal !== undefined) {
      log.debug({ operation: operationOf(request), code: refusal.code }, 'a request was refused');
      void reply.code(refusal.status);
      if (refusal.status === 503) void reply.header('retry-after', RETRY_AFTER_S);
      void reply.send(errorBody(refusal.code, refusal.message, refusal.facts));
      return;
    }
    // A peer of ours is away; a defect of ours is not the like, though it may pass as well.
    const away = error instanceof PixlError && error.retry === 'later' && !(error instanceof InternalError);
    const fields = { operation: operationOf(request), code: codeOf(error), reason: describeError(error) };
    if (away) log.warn(fields, 'a request could not be served');
    else log.error(fields, 'a request failed');
    if (away) void reply.header('retry-after', RETRY_AFTER_S);
    void reply
      .code(away ? 503 : 500)
      .send(errorBody(codeOf(error), error instanceof PixlError ? error.message : 'internal error'));
  };
}

/** The route as it is declared; the request's own path may hold anything. */
export function operationOf(request: FastifyRequest): string {
  return `${request.method} ${request.routeOptions.url ?? '(unknown)'}`;
}

function refusalOf(error: unknown): RequestRefusedError | undefined {
  if (error instanceof RequestRefusedError) return error;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? FASTIFY_REFUSALS[code] : undefined;
  if (known !== undefined) return new RequestRefusedError(...known);
  const isClients = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500;
  if (error instanceof PixlError || !isClients) return undefined;
  return statusCode === 404
    ? new RequestRefusedError('NOT_FOUND', 'there is no such page')
    : new RequestRefusedError('BAD_REQUEST', 'the request cannot be read');
}

/** The one shape of errors. */
export function errorBody(code: string, message: string, facts: object = {}): object {
  return { error: { code, message, ...facts } };
}

/** What Node itself could not read never becomes a request: answered on the bare socket. */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] = unreadable(error.code);
  const body = JSON.stringify(errorBody(code, message));
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function unreadable(code: string | undefined): readonly [string, string, string] {
  if (code === 'HPE_HEADER_OVERFLOW')
    return ['431 Request Header Fields Too Large', 'HEADERS_TOO_LARGE', 'the header fields are too large'];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return ['408 Request Timeout', 'REQUEST_TIMEOUT', 'the request took too long to come'];
  return ['400 Bad Request', 'BAD_REQUEST', 'not HTTP'];
}

import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isLoopback } from '../core/config/index.js';
import { RequestRefusedError } from './errors.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a token. */
    readonly open?: true;
  }
}

export interface GuardOptions {
  /** What the API is bound to. */
  readonly host: string;
  readonly token: string | null;
  /** Told of each token that was given and is not the right one. */
  readonly onWrongToken?: (request: FastifyRequest) => void;
}

/**
 * Lets a request through to its route, or refuses it before its body is read.
 *
 * Without a token the only clients are those of this machine, and one of them is its users' browser, which any page
 * on the web can make ask. So the Host must be a name of ours (a name of somebody else's that was made to lead here
 * would let his page read the answers), and what a browser says comes from another site is refused, as is a body of a
 * type that a browser sends without asking first.
 */
export function guard(
  options: GuardOptions,
): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const expected = options.token === null ? null : digest(options.token);
  return async (request, reply) => {
    await Promise.resolve();
    if (expected !== null && request.routeOptions.config.open !== true)
      checkToken(expected, options, request, reply);
    if (expected === null) checkHost(options.host, request);
    checkSite(request);
    if (!request.is404 && request.method !== 'GET' && request.method !== 'HEAD') checkBodyType(request);
  };
}

function checkToken(
  expected: Buffer,
  options: GuardOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const given = /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  // Of digests, which are all of one length: the comparison takes the same time for every wrong token.
  if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
  if (given !== undefined) options.onWrongToken?.(request);
  const challenge = 'Bearer realm="pixl-imaging"';
  reply.header('www-authenticate', given === undefined ? challenge : `${challenge}, error="invalid_token"`);
  throw new RequestRefusedError('UNAUTHORIZED', 'Authorization: Bearer with the right token is needed');
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function checkHost(boundTo: string, request: FastifyRequest): void {
  const name = hostName(request.headers.host);
  if (name !== undefined && (isLoopback(name) || name === boundTo.toLowerCase())) return;
  throw new RequestRefusedError('HOST_REFUSED', 'the Host header names neither this machine nor its address');
}

/** The name in a Host header, without the port. */
function hostName(header: string | undefined): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[^\s:/@\\[\]]+)(:\d{1,5})?$/i.exec(header ?? '')?.[1]?.toLowerCase();
}

function checkSite(request: FastifyRequest): void {
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const fromElsewhere =
    (site !== undefined && site !== 'same-origin' && site !== 'none') ||
    (origin !== undefined && !isOriginOf(origin, host));
  if (fromElsewhere)
    throw new RequestRefusedError('CROSS_SITE_REFUSED', 'requests from pages of other sites are refused');
}

/** The scheme is left out of the comparison: a proxy that speaks TLS may stand before us. */
function isOriginOf(origin: string, host: string | undefined): boolean {
  return host !== undefined && /^https?:\/\/(.*)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
}

function checkBodyType(request: FastifyRequest): void {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json *(;|$)/i.test(type))
    throw new RequestRefusedError('UNSUPPORTED_MEDIA_TYPE', 'Content-Type must be application/json');
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity')
    throw new RequestRefusedError('UNSUPPORTED_MEDIA_TYPE', 'Content-Encoding is not supported');
}

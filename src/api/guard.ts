import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isLoopback } from '../core/config/index.js';
import { RequestRefusedError } from './errors.js';
import { RequestRate } from './request-rate.js';

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
  /** Of one client, that are refused; without a token also of those that are let in. See request-rate.ts. */
  readonly requestsPerSecond: number;
}

/** A wrong token costs as much as so many refused requests: who tries many is soon told to come back later. */
const WRONG_TOKEN_COSTS = 20;

/**
 * Lets a request through to its route, or refuses it before its body is read.
 *
 * Without a token the only clients are those of this machine, and one of them is its users' browser, which any page
 * on the web can make ask. So the Host must be a name of ours (a name of somebody else's that was made to lead here
 * would let his page read the answers), and what a browser says comes from another site is refused, as is a body of a
 * type that a browser sends without asking first.
 *
 * What is refused and what is let in are counted apart, so that nobody's wrong tokens and no page's requests use up what
 * others at the same address may do. The right token is not counted at all: whoever stops the daemon in an emergency is
 * let in, however often others ask. Nor is the heart beat: who watches the process must not take it for dead.
 */
export function guard(
  options: GuardOptions,
): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const expected = options.token === null ? null : digest(options.token);
  const refused = new RequestRate({ perSecond: options.requestsPerSecond });
  const letIn = new RequestRate({ perSecond: options.requestsPerSecond });
  return async (request, reply) => {
    await Promise.resolve();
    const isOpen = request.routeOptions.config.open === true;
    try {
      if (expected !== null && !isOpen) checkToken(expected, request, reply);
      if (expected === null) checkHost(options.host, request);
      checkSite(request);
    } catch (refusal) {
      // Its body, which may drip in for long, is not waited for.
      reply.header('connection', 'close');
      if (!isOpen) count(refused, request, reply, isWrongToken(refusal, request) ? WRONG_TOKEN_COSTS : 1);
      throw refusal;
    }
    if (expected === null && !isOpen) count(letIn, request, reply);
    if (!request.is404 && request.method !== 'GET' && request.method !== 'HEAD') checkBodyType(request);
  };
}

/** @throws RequestRefusedError when the client has made more of these requests than it may */
function count(rate: RequestRate, { ip }: FastifyRequest, reply: FastifyReply, cost = 1): void {
  const seconds = rate.take(ip, cost);
  if (seconds === 0) return;
  reply.header('retry-after', seconds);
  throw new RequestRefusedError(
    'TOO_MANY_REQUESTS',
    'more requests than one client may make; come back later',
  );
}

/** A token was given, and is not the right one. */
function isWrongToken(refusal: unknown, { headers }: FastifyRequest): boolean {
  return (
    refusal instanceof RequestRefusedError &&
    refusal.code === 'UNAUTHORIZED' &&
    headers.authorization !== undefined
  );
}

function checkToken(expected: Buffer, request: FastifyRequest, reply: FastifyReply): void {
  const given = /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  // Of digests, which are all of one length: the comparison takes the same time for every wrong token.
  if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
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

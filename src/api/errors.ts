import { PixlError } from '../core/errors.js';

/** Why a request is refused: the code in the body and the HTTP status that goes with it. */
export const refusals = {
  BAD_REQUEST: 400,
  BODY_NOT_JSON: 400,
  UNAUTHORIZED: 401,
  HOST_REFUSED: 403,
  CROSS_SITE_REFUSED: 403,
  NOT_FOUND: 404,
  UNKNOWN_QUEUE: 404,
  UNKNOWN_EXTRACT: 404,
  UNKNOWN_STUDY: 404,
  INVALID_RATE: 406,
  ALREADY_EXPORTED: 409,
  NOT_DEIDENTIFIED: 409,
  OPTED_OUT: 409,
  BODY_TOO_LARGE: 413,
  TOO_MANY_MESSAGES: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  INVALID_BODY: 422,
  MESSAGE_REJECTED: 422,
  TOO_MANY_REQUESTS: 429,
  NOT_CONFIGURED: 501,
  TOO_BUSY: 503,
} as const;
export type RefusalCode = keyof typeof refusals;

/**
 * A request that is not done: an answer to a client, and no trouble of ours. Neither its text nor its facts quote what
 * the request held. The codes are in docs/http-api.md.
 */
export class RequestRefusedError extends Error {
  readonly code: RefusalCode;
  readonly status: number;
  /** Goes into the body's `error` beside code and message. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: RefusalCode, problem: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(problem);
    this.name = new.target.name;
    this.code = code;
    this.status = refusals[code];
    this.facts = facts;
  }
}

/** The API would be open to other machines, and to anybody on them. */
export class OpenWithoutTokenError extends PixlError {
  readonly code = 'OPEN_WITHOUT_TOKEN';
  readonly retry = 'never';

  constructor(host: string) {
    super(`the HTTP API is to be bound to ${host}, which other machines can reach; that needs a token`);
  }
}

/** The address cannot be bound: it is in use, or none of this machine's. */
export class ListenError extends PixlError {
  readonly code = 'HTTP_LISTEN';
  readonly retry = 'later';

  constructor(address: string, problem: string, cause: unknown) {
    super(`the HTTP API cannot listen on ${address}: ${problem}`, { cause });
  }
}

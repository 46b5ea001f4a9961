import type { Rate, Status } from '../src/api/index.js';
import type { Config } from '../src/core/config/index.js';
import { PixlError } from '../src/core/errors.js';
import { UsageError } from './usage-error.js';

/** As PIXL's own command line waits. */
const TIMEOUT_MS = 10_000;

/** Nobody answers at the address of the HTTP API, or somebody else does. */
export class ApiUnreachableError extends PixlError {
  readonly code = 'API_UNREACHABLE';
  readonly retry = 'later';

  constructor(url: string, problem: string, cause?: unknown) {
    super(`no answer from the daemon at ${url}: ${problem}`, { cause });
  }
}

/** The daemon did not do what it was asked. */
export class ApiRefusedError extends PixlError {
  readonly code = 'API_REFUSED';
  readonly retry = 'never';
  readonly status: number;
  /** The code in the answer. */
  readonly reason: string;

  constructor(status: number, reason: string, problem: string) {
    super(`the daemon refused: ${problem} (${status} ${reason})`);
    this.status = status;
    this.reason = reason;
  }

  get isUnknownQueue(): boolean {
    return this.reason === 'UNKNOWN_QUEUE';
  }
}

/** Talks to the daemon's HTTP API where the configuration says it is. */
export class ApiClient {
  readonly #url: string;
  readonly #token: string | null;

  constructor(api: Pick<Config['api'], 'host' | 'port' | 'token'>) {
    this.#url = urlOf(api);
    this.#token = api.token;
  }

  /** @throws ApiRefusedError with `isUnknownQueue` when there is no such queue. */
  async rate(queue: string | null): Promise<Rate> {
    const query = queue === null ? '' : `?${new URLSearchParams({ queue }).toString()}`;
    const { rate } = (await this.#ask(`/token-bucket-refresh-rate${query}`)) as { rate: Rate };
    return rate;
  }

  /**
   * null = all queues.
   *
   * @returns what the daemon says of it
   * @throws ApiRefusedError with `isUnknownQueue` when there is no such queue.
   */
  async setRate(rate: Rate, queue: string | null): Promise<string> {
    const answer = await this.#ask('/token-bucket-refresh-rate', queue === null ? { rate } : { rate, queue });
    return typeof answer === 'string' ? answer : '';
  }

  async status(): Promise<Status> {
    return (await this.#ask('/status')) as Status;
  }

  /** GET, or POST where there is a body. */
  async #ask(path: string, body?: object): Promise<unknown> {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(`${this.#url}${path}`, {
        headers: {
          ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
        // The token is for this address, and for no other that it may point to.
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      answer = await response.json();
    } catch (error) {
      throw new ApiUnreachableError(this.#url, problemOf(error), error);
    }
    if (response.ok) return answer;
    if (response.status === 401)
      throw new UsageError(
        `the daemon at ${this.#url} refuses the token: PIXL_API_TOKEN must be what it was started with`,
      );
    const { code, message } =
      (answer as { error?: { code?: unknown; message?: unknown } } | null)?.error ?? {};
    throw new ApiRefusedError(
      response.status,
      typeof code === 'string' ? code : 'no code',
      typeof message === 'string' ? message : 'no reason given',
    );
  }
}

/** The daemon may be bound to all addresses of this machine; here it is on any of them. */
function urlOf({ host, port }: Pick<Config['api'], 'host' | 'port'>): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const at = bare === '0.0.0.0' ? '127.0.0.1' : bare === '::' ? '::1' : bare;
  return `http://${at.includes(':') ? `[${at}]` : at}:${port}`;
}

function problemOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'not its HTTP API';
  if (!(error instanceof Error)) return 'unknown reason';
  if (error.name === 'TimeoutError') return `nothing for ${TIMEOUT_MS / 1000} s`;
  const cause = error.cause as { code?: unknown } | undefined;
  return typeof cause?.code === 'string' ? cause.code : 'connection failed';
}

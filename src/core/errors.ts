/**
 * Does trying again help? `later`: the same work may succeed when repeated after a pause (a peer is down,
 * busy, or broke off). `never`: it fails the same way until somebody changes something.
 */
export type Retry = 'later' | 'never';

/**
 * The base of every error that this project throws on purpose.
 *
 * `code` is stable and listed in docs/errors.md. The text holds no patient identifier: no MRN, accession
 * number, name or UID of a study; such facts, where a caller needs them, are fields of the subclass.
 */
export abstract class PixlError extends Error {
  abstract readonly code: string;
  abstract readonly retry: Retry;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A value that came from outside is not what its field allows. The value itself is not in the text. */
export class InvalidValueError extends PixlError {
  readonly code = 'INVALID_VALUE';
  readonly retry = 'never';
  readonly field: string;
  readonly problem: string;

  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`);
    this.field = field;
    this.problem = problem;
  }
}

/** A wait took longer than it may. `operation` says what was waited for, in the standard's words. */
export class TimeoutError extends PixlError {
  readonly code = 'TIMEOUT';
  readonly retry = 'later';
  readonly operation: string;
  readonly peer: string;
  readonly timeoutMs: number;

  constructor(peer: string, operation: string, timeoutMs: number) {
    super(`${peer}: ${operation}: nothing for ${timeoutMs} ms`);
    this.peer = peer;
    this.operation = operation;
    this.timeoutMs = timeoutMs;
  }
}

/** The work was given up because the caller asked for it (shutdown, Ctrl-C). */
export class CancelledError extends PixlError {
  readonly code = 'CANCELLED';
  readonly retry = 'later';

  constructor(operation: string) {
    super(`${operation}: cancelled`);
  }
}

/** A defect of ours: a state that the code rules out. */
export class InternalError extends PixlError {
  readonly code = 'INTERNAL';
  readonly retry = 'later';
}

/** For the `default` of a switch over a closed union: the compiler refuses a case that was forgotten. */
export function assertNever(value: never): never {
  throw new InternalError(`not a known case: ${tagOf(value)}`);
}

/** What tells the cases of a union apart; the rest of the value may hold identifiers. */
function tagOf(value: unknown): string {
  const { kind, type } =
    typeof value === 'object' && value !== null
      ? (value as { kind?: unknown; type?: unknown })
      : { kind: value };
  const tag = kind ?? type;
  return typeof tag === 'string' && /^[A-Za-z][\w-]{0,31}$/.test(tag) ? tag : `some ${typeof tag}`;
}

/** The `retry` of any thrown value; what is not one of our errors is taken for a defect that may pass. */
export function retryOf(error: unknown): Retry {
  return error instanceof PixlError ? error.retry : 'later';
}

/** The `code` of any thrown value. */
export function codeOf(error: unknown): string {
  return error instanceof PixlError ? error.code : 'INTERNAL';
}

/**
 * One line for logs, headers and results. Texts of foreign errors may quote data, so only our own are shown;
 * of the others the class and, for system errors, the code.
 */
export function describeError(error: unknown): string {
  if (error instanceof PixlError) return error.message;
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === undefined ? `unexpected ${error.name}` : `${error.name} ${code}`;
  }
  return 'unexpected error';
}

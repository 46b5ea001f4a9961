import { InternalError, PixlError, type Retry } from '../errors.js';
import { tlsProblemOf } from '../tls-problem.js';

/** The database can't be reached, or threw us out. It works again when the database is back. */
export class DatabaseUnavailableError extends PixlError {
  readonly code = 'DATABASE_UNAVAILABLE';
  readonly retry = 'later';
  readonly problem: string;

  constructor(problem: string, options?: { readonly cause?: unknown }) {
    super(`database: ${problem}`, options);
    this.problem = problem;
  }
}

/** The database answered with an error. Statements, values and the server's own text (it may quote values) are left out. */
export class DatabaseError extends PixlError {
  readonly code = 'DATABASE_ERROR';
  readonly retry: Retry;
  readonly problem: string;
  /** null = the connection was refused before SQL was spoken. */
  readonly sqlState: string | null;

  constructor(problem: string, sqlState: string | null, options?: { readonly cause?: unknown }) {
    super(`database: ${problem}${sqlState === null ? '' : ` (SQLSTATE ${sqlState})`}`, options);
    this.problem = problem;
    this.sqlState = sqlState;
    this.retry = sqlState !== null && WORTH_REPEATING.has(sqlState) ? 'later' : 'never';
  }

  /** The values themselves can't be stored: no change to the database or its settings would help. */
  get isAboutTheData(): boolean {
    return this.sqlState !== null && /^(22|23)/.test(this.sqlState);
  }
}

/** serialization_failure, deadlock_detected, lock_not_available, query_canceled (the statement timeout). */
const WORTH_REPEATING: ReadonlySet<string> = new Set(['40001', '40P01', '55P03', '57014']);

/**
 * Connection exceptions (08), insufficient resources (53), operator intervention (57P), system errors (58), and the
 * read-only answers of a server that has just become a standby.
 */
const UNAVAILABLE = /^(08...|53...|57P0[1-35]|58...|25006)$/;

/** PostgreSQL's Appendix A, for what an operator can mend. */
const PROBLEMS: Readonly<Record<string, string>> = {
  '08P01': 'protocol violation',
  '25006': 'the server takes no changes now',
  '28000': 'the server does not let this user in',
  '28P01': 'wrong password',
  '3D000': 'there is no database of this name',
  '3F000': 'the schema is not there; `pixl-imaging migrate status` shows what is pending',
  '40001': 'serialization failure',
  '40P01': 'deadlock',
  '42501': 'the user lacks a privilege',
  '42703': 'a column is not there; `pixl-imaging migrate status` shows what is pending',
  '42P01': 'a table is not there; `pixl-imaging migrate status` shows what is pending',
  '53100': 'its disk is full',
  '53200': 'out of memory',
  '53300': 'too many connections',
  '57014': 'the statement took too long',
  '57P01': 'the server is being shut down',
  '57P02': 'the server crashed',
  '57P03': 'the server is starting up',
  '57P05': 'the session was idle for too long',
};

const CLASSES: Readonly<Record<string, string>> = {
  '08': 'connection exception',
  '22': 'a value that its column cannot hold',
  '23': 'an integrity constraint is violated',
  '28': 'the server does not let this user in',
  '42': 'the statement is not valid here',
  '53': 'insufficient resources',
  '57': 'the operator intervened',
  '58': 'system error of the server',
};

/** Errors of the driver that carry no code, by their text. */
const DRIVER_PROBLEMS: readonly (readonly [RegExp, string])[] = [
  [/^Query read timeout/, 'no answer in time'],
  [/^(timeout exceeded when trying to connect|timeout expired)/, 'no connection in time'],
  [/^Connection terminated due to connection timeout/, 'no connection in time'],
  [/^Connection terminated/, 'connection lost'],
  [/^Client (has encountered a connection error|was closed)/, 'connection lost'],
  [/^There was an error establishing an SSL connection/, 'the server broke off before TLS'],
];

const SYSTEM_ERROR = /^E[A-Z]+$/;

interface DriverError extends Error {
  readonly code?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
}

/** What the driver threw, as one of our errors; errors of ours stay what they are. */
export function toDatabaseError(error: unknown): PixlError {
  if (error instanceof PixlError) return error;
  if (!(error instanceof Error))
    return new InternalError('the database driver threw no error', { cause: error });
  const cause = { cause: error };
  const { code, message } = error as DriverError;
  const tls = tlsProblemOf(error);
  if (tls !== null) return new DatabaseError(`no TLS with the server: ${tls}`, null, cause);
  if (code !== undefined && SYSTEM_ERROR.test(code)) return new DatabaseUnavailableError(code, cause);
  if (code !== undefined && isSqlState(code)) {
    const problem = `${problemOf(code)}${placeOf(error)}`;
    return UNAVAILABLE.test(code)
      ? new DatabaseUnavailableError(problem, cause)
      : new DatabaseError(problem, code, cause);
  }
  if (message === 'The server does not support SSL connections')
    return new DatabaseError('the server speaks no TLS', null, cause);
  if (message.startsWith('SASL:')) return new DatabaseError('no password, or a wrong one', null, cause);
  const known = DRIVER_PROBLEMS.find(([text]) => text.test(message));
  if (known !== undefined) return new DatabaseUnavailableError(known[1], cause);
  if (message.includes('after calling end on the pool'))
    return new InternalError('the database is closed', cause);
  return new InternalError(`unexpected ${error.name} of the database driver`, cause);
}

/** After such an error nothing can be said of the connection, and it is not used again. */
export function breaksConnection(error: PixlError): boolean {
  return error instanceof DatabaseUnavailableError || error instanceof InternalError;
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code);
}

function problemOf(sqlState: string): string {
  return PROBLEMS[sqlState] ?? CLASSES[sqlState.slice(0, 2)] ?? 'refused';
}

/** Names of tables, columns and constraints are the schema's own; anything unusual is left out. */
function placeOf(error: DriverError): string {
  const names = [error.table, error.column, error.constraint].filter(
    (name) => name !== undefined && /^\w{1,63}$/.test(name),
  );
  return names.length === 0 ? '' : `: ${names.join(', ')}`;
}

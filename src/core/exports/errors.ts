import type { FTPError } from 'basic-ftp';
import { PixlError, type Retry } from '../errors.js';

/** The connection to the FTPS server could not be made or broke: refused, unreachable, silent, closed, reset. */
export class FtpsConnectionError extends PixlError {
  readonly code = 'FTPS_CONNECTION';
  readonly retry = 'later';
  readonly peer: string;
  /** The control connection carries commands, the data connection one file (RFC 959 2.3). */
  readonly channel: 'control' | 'data';

  constructor(peer: string, channel: 'control' | 'data', problem: string, cause?: unknown) {
    super(`${peer}: ${channel} connection: ${problem}`, { cause });
    this.peer = peer;
    this.channel = channel;
  }
}

export type FtpsTlsProblem =
  'expired' | 'not-yet-valid' | 'self-signed' | 'wrong-host' | 'unknown-authority' | 'no-tls';

const TLS_PROBLEMS: Readonly<Record<FtpsTlsProblem, string>> = {
  expired: 'its certificate has expired',
  'not-yet-valid': 'its certificate is not valid yet',
  'self-signed': 'its certificate is self-signed, and not among the authorities',
  'wrong-host': 'its certificate is for another host',
  'unknown-authority': 'its certificate is signed by an unknown authority',
  'no-tls': 'no TLS could be agreed on',
};

/** There is no TLS that can be trusted with the FTPS server. Nothing was sent, no password either. */
export class FtpsTlsError extends PixlError {
  readonly code = 'FTPS_TLS';
  readonly retry = 'never';
  readonly peer: string;
  readonly problem: FtpsTlsProblem;

  constructor(peer: string, problem: FtpsTlsProblem, cause?: unknown) {
    super(`${peer}: TLS: ${TLS_PROBLEMS[problem]}`, { cause });
    this.peer = peer;
    this.problem = problem;
  }
}

/** The FTPS server refuses the user name or the password (530, 332). */
export class FtpsLoginError extends PixlError {
  readonly code = 'FTPS_LOGIN';
  readonly retry = 'never';
  readonly peer: string;

  constructor(peer: string, cause?: unknown) {
    super(`${peer}: login refused: user name or password are wrong`, { cause });
    this.peer = peer;
  }
}

/** The FTPS server has no room: its disk (452) or the user's share of it (552) is full. */
export class FtpsStorageFullError extends PixlError {
  readonly code = 'FTPS_STORAGE_FULL';
  readonly peer: string;
  readonly reply: number;

  constructor(peer: string, reply: number, cause?: unknown) {
    super(`${peer}: no room left: ${reply === 552 ? "the user's quota" : 'the disk'} is full (${reply})`, {
      cause,
    });
    this.peer = peer;
    this.reply = reply;
  }

  /** A disk is shared, and may empty by itself; a quota is our own. */
  get retry(): Retry {
    return this.reply === 552 ? 'never' : 'later';
  }
}

/** The FTPS server answers a command with another failure. Its own words are not in the text: they may quote names. */
export class FtpsReplyError extends PixlError {
  readonly code = 'FTPS_REPLY';
  readonly peer: string;
  readonly operation: string;
  /** RFC 959 4.2: 4xx may pass, 5xx will not. */
  readonly reply: number;

  constructor(peer: string, operation: string, reply: number, cause?: unknown) {
    super(`${peer}: ${operation} refused (${reply})`, { cause });
    this.peer = peer;
    this.operation = operation;
    this.reply = reply;
  }

  get retry(): Retry {
    return this.reply < 500 ? 'later' : 'never';
  }
}

/** The FTPS server holds another number of bytes than were sent. The file has not been given its name. */
export class FtpsSizeError extends PixlError {
  readonly code = 'FTPS_SIZE';
  readonly retry = 'later';
  readonly peer: string;
  readonly sent: number;
  readonly held: number;

  constructor(peer: string, sent: number, held: number) {
    super(`${peer}: ${held} bytes arrived of ${sent} that were sent`);
    this.peer = peer;
    this.sent = sent;
    this.held = held;
  }
}

/** The study is in the safe haven already, or another process put it there meanwhile. */
export class AlreadyExportedError extends PixlError {
  readonly code = 'ALREADY_EXPORTED';
  readonly retry = 'never';

  constructor() {
    super('the study has been exported already');
  }
}

/** No row of the project's studies has this UID, neither as the cohort nor as the anonymising store knows it. */
export class NotInProjectError extends PixlError {
  readonly code = 'NOT_IN_PROJECT';
  readonly retry = 'never';

  constructor() {
    super('the project has no such study');
  }
}

/** The anonymising store lists no image of the study. */
export class NotAnonymisedError extends PixlError {
  readonly code = 'NOT_ANONYMISED';
  readonly retry = 'later';
  readonly peer: string;

  constructor(peer: string) {
    super(`${peer}: lists no image of the study`);
    this.peer = peer;
  }
}

/** The anonymising store lists fewer images of the study than were delivered to it. */
export class NotAllAnonymisedError extends PixlError {
  readonly code = 'NOT_ALL_ANONYMISED';
  readonly retry = 'later';
  readonly peer: string;

  constructor(peer: string, listed: number, delivered: number) {
    super(`${peer}: lists ${listed} images of the study, and ${delivered} were delivered to it`);
    this.peer = peer;
  }
}

/** Why a study is not known to be de-identified. */
export type IdentityDoubt =
  | 'no-pseudonym'
  | 'pseudonym-is-original'
  | 'nothing-known'
  | 'originals-forgotten'
  | 'carries-mrn'
  | 'carries-accession-number'
  | 'carries-study-uid'
  | 'carries-sop-instance-uid'
  | 'another-instance'
  | 'not-marked'
  | 'unreadable'
  | 'names-a-study';

const DOUBTS: Readonly<Record<IdentityDoubt, string>> = {
  'no-pseudonym': 'nobody has filled in its pseudo_study_uid',
  'pseudonym-is-original': 'its pseudo_study_uid is the Study Instance UID that the archives know it by',
  'nothing-known': 'nothing is known of the original study that it could be compared with',
  'originals-forgotten': 'which images of it were delivered is not known any more; request the study again',
  'carries-mrn': 'the MRN is in it',
  'carries-accession-number': 'the accession number is in it',
  'carries-study-uid': 'the original Study Instance UID is in it',
  'carries-sop-instance-uid': 'an original SOP Instance UID is in it',
  'another-instance': 'an image is not what it was sent as',
  'not-marked': 'an image does not say that the identity was removed: (0012,0062) is not YES',
  unreadable: 'it can not be looked at',
  'names-a-study': 'a name in it is one that an archive knows: a study UID, an MRN or an accession number',
};

/**
 * What is to be exported is not known to be de-identified. Nothing of it has got its name in the safe haven, and no byte of
 * the image that raised the doubt has been sent.
 */
export class NotDeidentifiedError extends PixlError {
  readonly code = 'NOT_DEIDENTIFIED';
  readonly retry = 'never';
  readonly doubt: IdentityDoubt;
  /** A tag, a file, or what else says where; never a value. */
  readonly where: string | null;

  constructor(doubt: IdentityDoubt, where: string | null = null, cause?: unknown) {
    super(
      `NOT_DEIDENTIFIED: not known to be de-identified: ${DOUBTS[doubt]}${where === null ? '' : `: ${where}`}`,
      { cause },
    );
    this.doubt = doubt;
    this.where = where;
  }
}

/** The anonymising store lists images that it did not send. Nothing of the study was exported. */
export class ExportIncompleteError extends PixlError {
  readonly code = 'EXPORT_INCOMPLETE';
  readonly retry = 'later';
  readonly peer: string;
  readonly listed: number;
  readonly missing: readonly string[];

  constructor(peer: string, listed: number, missing: readonly string[]) {
    super(`${peer}: did not send ${missing.length} of ${listed} images that it lists`);
    this.peer = peer;
    this.listed = listed;
    this.missing = missing;
  }
}

/** OpenSSL's verification results as Node.js names them. */
const CERTIFICATE_PROBLEMS: Readonly<Record<string, FtpsTlsProblem>> = {
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown-authority',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown-authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown-authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown-authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrong-host',
};

const SYSTEM_PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused: nobody listens there',
  ECONNRESET: 'reset by the server',
  EPIPE: 'closed by the server',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'no answer in time',
};

/**
 * What basic-ftp or a socket of it failed with, as one of our errors; those stay what they are.
 *
 * @param operation what was being done, for a reply that is about nothing more certain
 */
export function toFtpsError(
  error: unknown,
  peer: string,
  channel: 'control' | 'data',
  operation: string,
): PixlError {
  if (error instanceof PixlError) return error;
  if (isFtpError(error)) return ofReply(error, peer, operation);
  const { code = '', message = '' } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const certificate = CERTIFICATE_PROBLEMS[code];
  if (certificate !== undefined) return new FtpsTlsError(peer, certificate, error);
  if (/^(ERR_SSL_|ERR_TLS_|EPROTO$|CERT_|CRL_|UNABLE_TO_|INVALID_)/.test(code))
    return new FtpsTlsError(peer, 'no-tls', error);
  return new FtpsConnectionError(peer, channel, connectionProblem(code, message), error);
}

/** A reply that says no. By its name: who only asks what an error is need not load basic-ftp. */
export function isFtpError(error: unknown): error is FTPError {
  return error instanceof Error && error.name === 'FTPError';
}

/** RFC 959 4.2.2, RFC 4217 for what TLS adds. */
function ofReply(error: FTPError, peer: string, operation: string): PixlError {
  switch (error.code) {
    case 332:
    case 530:
      return new FtpsLoginError(peer, error);
    case 421:
      return new FtpsConnectionError(peer, 'control', 'the server takes no more, or closes (421)', error);
    case 425:
      return new FtpsConnectionError(peer, 'data', 'could not be opened (425)', error);
    case 426:
      return new FtpsConnectionError(peer, 'data', 'broke off (426)', error);
    case 452:
    case 552:
      return new FtpsStorageFullError(peer, error.code, error);
    default:
      return new FtpsReplyError(peer, operation, error.code, error);
  }
}

/** basic-ftp's own errors carry no code. */
function connectionProblem(code: string, message: string): string {
  const known = SYSTEM_PROBLEMS[code];
  if (known !== undefined) return known;
  if (/^Timeout/.test(message)) return 'no answer in time';
  if (/transfer strategies/.test(message)) return 'could not be opened; are the passive ports open?';
  return 'closed by the server';
}

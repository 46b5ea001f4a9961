import { PixlError, type Retry } from '../core/errors.js';
import type { AbortPdu, AssociateRjPdu } from './upper-layer/pdu.js';
import { describeStatus, retryOfStatus, type DimseOperation } from './message/status.js';

/** TCP or TLS could not be set up, or broke: refused, unreachable, reset, closed by the peer without a release. */
export class ConnectionError extends PixlError {
  readonly code = 'CONNECTION';
  readonly retry = 'later';
  readonly peer: string;
  /**
   * There was no association yet: the peer is down or cannot be reached. What stands before it (a container's port, a
   * load balancer) may take the connection all the same.
   */
  readonly whileConnecting: boolean;

  constructor(
    peer: string,
    problem: string,
    options: { readonly cause?: unknown; readonly whileConnecting?: boolean } = {},
  ) {
    super(`${peer}: ${problem}`, { cause: options.cause });
    this.peer = peer;
    this.whileConnecting = options.whileConnecting ?? false;
  }
}

/** The peer's certificate, or ours, was not accepted. Waiting does not mend a certificate. */
export class TlsError extends PixlError {
  readonly code = 'TLS';
  readonly retry = 'never';
  readonly peer: string;

  constructor(peer: string, problem: string, cause?: unknown) {
    super(`${peer}: TLS: ${problem}`, { cause });
    this.peer = peer;
  }
}

/**
 * A-ASSOCIATE-RJ (PS3.8 9.3.4). Transient rejections may be tried again, permanent ones not, and neither one that says the
 * called AE title is not known, whatever it calls itself: no wait mends a setting.
 */
export class AssociationRejectedError extends PixlError {
  readonly code = 'ASSOCIATION_REJECTED';
  readonly peer: string;
  readonly rj: AssociateRjPdu;

  constructor(peer: string, rj: AssociateRjPdu) {
    super(`${peer}: association ${rj.result} by the ${rj.source}: ${rj.reason}`);
    this.peer = peer;
    this.rj = rj;
  }

  get retry(): Retry {
    const { result, reason } = this.rj;
    return result === 'rejected-transient' && reason !== 'called AE title not recognized' ? 'later' : 'never';
  }
}

/** The peer sent an A-ABORT (PS3.8 9.3.8). */
export class AssociationAbortedError extends PixlError {
  readonly code = 'ASSOCIATION_ABORTED';
  readonly retry = 'later';
  readonly peer: string;
  readonly abort: AbortPdu;

  constructor(peer: string, abort: AbortPdu) {
    super(`${peer}: association aborted by the ${abort.source}: ${abort.reason}`);
    this.peer = peer;
    this.abort = abort;
  }
}

/** The association is over (released or aborted by us) and can carry nothing more. */
export class AssociationEndedError extends PixlError {
  readonly code = 'ASSOCIATION_ENDED';
  readonly retry = 'later';
  readonly peer: string;

  constructor(peer: string, how: string) {
    super(`${peer}: association ${how}`);
    this.peer = peer;
  }
}

/** The peer sent what PS3.7 or PS3.8 does not allow; the association was aborted for it. */
export class ProtocolError extends PixlError {
  readonly code = 'PROTOCOL';
  readonly retry = 'later';
  readonly peer: string;

  constructor(peer: string, problem: string, cause?: unknown) {
    super(`${peer}: ${problem}`, { cause });
    this.peer = peer;
  }
}

/** The peer accepted no presentation context for what is to be done (PS3.8 9.3.3.2). */
export class NoPresentationContextError extends PixlError {
  readonly code = 'NO_PRESENTATION_CONTEXT';
  readonly retry = 'never';
  readonly peer: string;
  readonly abstractSyntax: string;

  constructor(peer: string, abstractSyntax: string) {
    super(`${peer}: no accepted presentation context for abstract syntax ${abstractSyntax}`);
    this.peer = peer;
    this.abstractSyntax = abstractSyntax;
  }
}

/** A final response with a failure status (PS3.7 annex C, PS3.4 C.4). The peer's own comment is not in the text: it may quote identifiers. */
export class DimseStatusError extends PixlError {
  readonly code = 'DIMSE_STATUS';
  readonly peer: string;
  readonly operation: DimseOperation;
  readonly status: number;

  constructor(peer: string, operation: DimseOperation, status: number) {
    super(`${peer}: ${operation}: ${describeStatus(operation, status)}`);
    this.peer = peer;
    this.operation = operation;
    this.status = status;
  }

  get retry(): Retry {
    return retryOfStatus(this.status);
  }
}

/** 0xFE00 to a C-FIND that nobody cancelled: there are more answers than the peer gives. */
export class AnswersCutOffError extends PixlError {
  readonly code = 'ANSWERS_CUT_OFF';
  readonly retry = 'later';
  readonly peer: string;
  /** How many came. */
  readonly answers: number;

  constructor(peer: string, answers: number, level: string) {
    const setting = level === 'IMAGE' ? 'LimitFindInstances' : 'LimitFindResults';
    super(
      `${peer}: C-FIND: it cut its answers off after ${answers} (0xFE00); in Orthanc ${setting} is the limit, 0 for none`,
    );
    this.peer = peer;
    this.answers = answers;
  }
}

/**
 * The Identifier of a C-FIND-RQ that we, as SCP, can't answer (PS3.4 C.4.1.1.4). The fields are what the response says:
 * Status, Offending Element (0000,0901), Error Comment (0000,0902).
 */
export class QueryError extends PixlError {
  readonly code = 'QUERY_REFUSED';
  readonly retry = 'never';
  readonly status: number;
  /** Group and element in one number; null where none is to blame. */
  readonly offendingElement: number | null;
  /** At most 64 characters (VR LO), and nothing of what was asked for. */
  readonly errorComment: string;

  constructor(status: number, offendingElement: number | null, errorComment: string) {
    super(`C-FIND-RQ: ${errorComment}: ${describeStatus('C-FIND', status)}`);
    this.status = status;
    this.offendingElement = offendingElement;
    this.errorComment = errorComment.slice(0, 64);
  }
}

/**
 * The head of a data set (PS3.5 7.1) can't be read in the transfer syntax that it is said to be in, or is too long to be held. It
 * reads the same the next time.
 */
export class DataSetHeadError extends PixlError {
  readonly code = 'DATA_SET_HEAD';
  readonly retry = 'never';
  readonly problem: string;

  constructor(problem: string, cause?: unknown) {
    super(`data set: ${problem}`, { cause });
    this.problem = problem;
  }
}

/** A deflated data set (PS3.5 A.5) is damaged or breaks off behind its head, which has been passed on already. */
export class DataSetDeflateError extends PixlError {
  readonly code = 'DATA_SET_DEFLATE';
  readonly retry = 'never';
  readonly problem: string;

  constructor(problem: string, cause?: unknown) {
    super(`deflated data set: ${problem}`, { cause });
    this.problem = problem;
  }
}

/**
 * An instance turned out to be damaged when a part of it had been sent, so that the association was aborted. The instance is named
 * beside; the others can be sent on another association.
 */
export class InstanceBrokenOffError extends PixlError {
  readonly code = 'INSTANCE_BROKEN_OFF';
  readonly retry = 'later';

  constructor(cause: PixlError) {
    super(`association given up because of a damaged instance: ${cause.message}`, { cause });
  }
}

/** An instance that the node did not take, with the status that its C-STORE-RSP says so with (PS3.4 B.2.3). */
export class InstanceRefusedError extends PixlError {
  readonly code = 'INSTANCE_REFUSED';
  readonly status: number;
  readonly problem: string;

  constructor(status: number, problem: string, cause?: unknown) {
    super(`C-STORE: ${describeStatus('C-STORE', status)}: ${problem}`, { cause });
    this.status = status;
    this.problem = problem;
  }

  get retry(): Retry {
    return retryOfStatus(this.status);
  }
}

/** The embedded node could not start: its port is taken, or its folder can't be used. */
export class NodeStartError extends PixlError {
  readonly code = 'NODE_START';
  readonly retry = 'never';

  constructor(problem: string, cause?: unknown) {
    super(`embedded node: ${problem}`, { cause });
  }
}

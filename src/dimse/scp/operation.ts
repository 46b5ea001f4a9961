import type { Logger } from '../../core/log.js';
import type { Association } from '../association.js';
import type { AcceptedContext, AssociationTimeouts, DicomNode } from '../negotiation.js';
import type { MessageEvent } from '../message/assembler.js';
import type { CommandOf, CommandSet } from '../message/command-set.js';
import { MAX_IDENTIFIER_LENGTH } from '../message/identifier.js';
import type { NodeRight } from './callers.js';
import type { InstanceStore } from './instance-store.js';

/** All in milliseconds. */
export interface NodeTimeouts extends AssociationTimeouts {
  /** How long a peer may ask for nothing. */
  readonly idleMs: number;
  /** The longest silence in the middle of a message or a sub-operation. */
  readonly silenceMs: number;
  /** How long an association has been idle when it makes room for another, if there is no other room. */
  readonly yieldMs: number;
}

/** What the operations of a node work with. */
export interface NodeParts {
  readonly aeTitle: string;
  readonly store: InstanceStore;
  /** Move destinations by AE title. */
  readonly peers: ReadonlyMap<string, DicomNode>;
  readonly timeouts: NodeTimeouts;
  readonly log: Logger;
  /** Aborted when the node has no time left. */
  readonly cut: AbortSignal;
  /** The associations to move destinations that are open. */
  readonly destinations: Set<Association>;
}

type Request = Extract<CommandSet, { affectedSopClassUid: string; messageId: number }>;
export type RequestType = Request['type'];

/** A request that came, on its association. */
export interface Operation<Rq extends Request> {
  readonly association: Association;
  readonly context: AcceptedContext;
  readonly request: Rq;
  /** AE title of who asks. */
  readonly callingAeTitle: string;
  /** Which software that is (PS3.7 D.3.3.2). */
  readonly implementationClassUid: string;
  readonly rights: ReadonlySet<NodeRight>;
  /** The classes of which the requestor is SCP on this association, so that it can be sent them by C-GET. */
  readonly scpClasses: ReadonlySet<string>;
  readonly parts: NodeParts;
}

export type OperationOf<Type extends RequestType> = Operation<CommandOf<Type>>;

/** The fields that every response has. */
export function responseFields({
  request,
}: OperationOf<'C-STORE-RQ' | 'C-FIND-RQ' | 'C-MOVE-RQ' | 'C-GET-RQ'>): {
  readonly messageIdBeingRespondedTo: number;
  readonly affectedSopClassUid: string;
} {
  return {
    messageIdBeingRespondedTo: request.messageId,
    affectedSopClassUid: request.affectedSopClassUid,
  };
}

/** The bytes of the Identifier that follows the request. @throws ProtocolError when it is too long; TimeoutError */
export function receiveIdentifierOf({
  association,
  request,
  parts,
}: OperationOf<'C-FIND-RQ' | 'C-MOVE-RQ' | 'C-GET-RQ'>): Promise<Buffer> {
  return association.collectDataSet(request.type, parts.timeouts.silenceMs, MAX_IDENTIFIER_LENGTH);
}

/**
 * Whether the requestor has cancelled (PS3.7 9.3.2.3). Nothing else may come while an operation is under way, since no
 * asynchronous operations are negotiated.
 *
 * @throws ProtocolError, after an A-ABORT, when something else has come
 */
export function isCancelled(operation: OperationOf<'C-FIND-RQ' | 'C-MOVE-RQ' | 'C-GET-RQ'>): boolean {
  const event = operation.association.receivedCommand();
  return event !== null && isCancel(operation, event);
}

/** @throws ProtocolError, after an A-ABORT, when the command is no C-CANCEL-RQ for the operation */
export function isCancel(
  { association, request }: OperationOf<'C-FIND-RQ' | 'C-MOVE-RQ' | 'C-GET-RQ'>,
  { command }: Extract<MessageEvent, { kind: 'command' }>,
): boolean {
  if (command.type !== 'C-CANCEL-RQ')
    throw association.protocolError(`${command.type} in the middle of a ${request.type}`);
  return command.messageIdBeingRespondedTo === request.messageId;
}

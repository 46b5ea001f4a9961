import { OUR_MAXIMUM_LENGTH } from '../negotiation.js';
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../upper-layer/implementation.js';
import { otherSyntaxes } from '../data-set/recoded.js';
import { IDENTIFIER_TRANSFER_SYNTAXES } from '../message/identifier.js';
import {
  isStorageClass,
  PATIENT_ROOT_FIND,
  PATIENT_ROOT_GET,
  PATIENT_ROOT_MOVE,
  STUDY_ROOT_FIND,
  STUDY_ROOT_GET,
  STUDY_ROOT_MOVE,
  VERIFICATION,
} from '../sop-classes.js';
import { PduError } from '../upper-layer/decode.js';
import type { NodeRight } from './callers.js';
import {
  APPLICATION_CONTEXT_NAME,
  type AssociateAcPdu,
  type AssociateRjPdu,
  type AssociateRqPdu,
  type PresentationContextReply,
  type ProposedPresentationContext,
  type RoleSelection,
} from '../upper-layer/pdu.js';

/** Whom the node lets in, and in what. */
export interface AcceptancePolicy {
  readonly aeTitle: string;
  /** How many instances of a class the store holds in each transfer syntax, the most frequent first. */
  readonly heldTransferSyntaxes: (sopClassUid: string) => ReadonlyMap<string, number>;
}

/** What is to be had in a context of each abstract syntax that is not for storage. */
const RIGHT_TO: ReadonlyMap<string, NodeRight> = new Map([
  [VERIFICATION, 'echo'],
  [PATIENT_ROOT_FIND, 'find'],
  [STUDY_ROOT_FIND, 'find'],
  [PATIENT_ROOT_GET, 'get'],
  [STUDY_ROOT_GET, 'get'],
  [PATIENT_ROOT_MOVE, 'move'],
  [STUDY_ROOT_MOVE, 'move'],
]);

/**
 * The answer to an A-ASSOCIATE-RQ (PS3.8 7.1.1, PS3.7 D.3). Who may do nothing here is not recognized; who may do something
 * is refused the contexts of the rest (PS3.8 table 9-18: user-rejection).
 *
 * @param rights what the requestor may
 * @param hasRoom asked last: whether one association more is within the node's limits
 * @throws PduError when two contexts have the same ID (PS3.8 9.3.2.2)
 */
export function answerTo(
  rq: AssociateRqPdu,
  policy: AcceptancePolicy,
  rights: ReadonlySet<NodeRight>,
  hasRoom: () => boolean,
): AssociateAcPdu | AssociateRjPdu {
  const rejection = rejectionOf(rq, policy, rights, hasRoom);
  if (rejection !== null) return rejection;
  const ids = new Set(rq.presentationContexts.map(({ id }) => id));
  if (ids.size < rq.presentationContexts.length) throw new PduError('two presentation contexts with one ID');
  const roleSelections = rq.userInformation.roleSelections.flatMap((role) => acceptedRole(role, rights));
  const scpClasses = new Set(roleSelections.filter(({ scp }) => scp).map(({ sopClassUid }) => sopClassUid));
  return {
    type: 'A-ASSOCIATE-AC',
    calledAeTitle: rq.calledAeTitle,
    callingAeTitle: rq.callingAeTitle,
    applicationContextName: APPLICATION_CONTEXT_NAME,
    presentationContexts: rq.presentationContexts.map((proposal) =>
      reply(proposal, rights, scpClasses.has(proposal.abstractSyntax) ? policy : null),
    ),
    userInformation: {
      maximumLength: OUR_MAXIMUM_LENGTH,
      implementationClassUid: IMPLEMENTATION_CLASS_UID,
      implementationVersionName: IMPLEMENTATION_VERSION_NAME,
      roleSelections,
    },
  };
}

function rejectionOf(
  rq: AssociateRqPdu,
  policy: AcceptancePolicy,
  rights: ReadonlySet<NodeRight>,
  hasRoom: () => boolean,
): AssociateRjPdu | null {
  const byUser = { type: 'A-ASSOCIATE-RJ', result: 'rejected-permanent', source: 'service-user' } as const;
  if (rq.applicationContextName !== APPLICATION_CONTEXT_NAME)
    return { ...byUser, reason: 'application context name not supported' };
  if (rq.calledAeTitle !== policy.aeTitle) return { ...byUser, reason: 'called AE title not recognized' };
  if (rights.size === 0) return { ...byUser, reason: 'calling AE title not recognized' };
  if (hasRoom()) return null;
  return {
    type: 'A-ASSOCIATE-RJ',
    result: 'rejected-transient',
    source: 'service-provider (presentation)',
    reason: 'local limit exceeded',
  };
}

/** PS3.7 D.3.3.4: of what was proposed; the requestor can be SCP of storage classes alone, for C-GET. */
function acceptedRole(
  { sopClassUid, scu, scp }: RoleSelection,
  rights: ReadonlySet<NodeRight>,
): RoleSelection[] {
  if (isStorageClass(sopClassUid))
    return [{ sopClassUid, scu: scu && rights.has('store'), scp: scp && rights.has('get') }];
  return RIGHT_TO.has(sopClassUid) ? [{ sopClassUid, scu, scp: false }] : [];
}

/** @param toSend the requestor is SCP of the class and will be sent what the store holds */
function reply(
  proposal: ProposedPresentationContext,
  rights: ReadonlySet<NodeRight>,
  toSend: AcceptancePolicy | null,
): PresentationContextReply {
  const { id, abstractSyntax, transferSyntaxes } = proposal;
  const [first = ''] = transferSyntaxes;
  const right = RIGHT_TO.get(abstractSyntax);
  if (right === undefined && !isStorageClass(abstractSyntax))
    return { id, result: 'abstract-syntax-not-supported', transferSyntax: first };
  // Who may not store is sent instances in such a context by C-GET, if it is SCP of them.
  if (!rights.has(right ?? 'store') && toSend === null)
    return { id, result: 'user-rejection', transferSyntax: first };
  const chosen =
    right !== undefined
      ? transferSyntaxes.find((one) => IDENTIFIER_TRANSFER_SYNTAXES.includes(one))
      : storageSyntax(transferSyntaxes, toSend?.heldTransferSyntaxes(abstractSyntax) ?? new Map());
  if (chosen === undefined) return { id, result: 'transfer-syntaxes-not-supported', transferSyntax: first };
  return { id, result: 'acceptance', transferSyntax: chosen };
}

/**
 * Any will do. First the one in which most of what the store holds can be sent, as it is rather than brought into another
 * syntax, then the order of the requestor, in which private ones are the last.
 */
function storageSyntax(proposed: readonly string[], held: ReadonlyMap<string, number>): string | undefined {
  let best: string | undefined;
  let [most, mostHeld] = [0, 0];
  for (const one of proposed) {
    const asHeld = held.get(one) ?? 0;
    const all = otherSyntaxes(one).reduce((sum, other) => sum + (held.get(other) ?? 0), asHeld);
    if (all > most || (all === most && asHeld > mostHeld)) [best, most, mostHeld] = [one, all, asHeld];
  }
  return best ?? proposed.find((one) => one.startsWith('1.2.840.10008.')) ?? proposed[0];
}

import type { DimseObserver } from './message/outstanding.js';
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from './upper-layer/implementation.js';
import {
  APPLICATION_CONTEXT_NAME,
  type AssociateAcPdu,
  type AssociateRjPdu,
  type AssociateRqPdu,
  type RoleSelection,
} from './upper-layer/pdu.js';
import type { TlsSettings } from './upper-layer/transport.js';

/** A DICOM application entity that we talk to. */
export interface DicomNode {
  readonly aeTitle: string;
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsSettings;
}

/** One abstract syntax with the transfer syntaxes that it is offered in. */
export interface ContextProposal {
  readonly abstractSyntax: string;
  readonly transferSyntaxes: readonly string[];
  /** We want to be SCP of it on this association, as C-GET needs (PS3.7 D.3.3.4). */
  readonly asScp?: boolean;
}

/** A presentation context that both sides agreed on. */
export interface AcceptedContext {
  readonly id: number;
  readonly abstractSyntax: string;
  readonly transferSyntax: string;
}

/** All in milliseconds. */
export interface AssociationTimeouts {
  readonly connectMs: number;
  /** From the A-ASSOCIATE-RQ to its answer, and the longest wait for a release. */
  readonly acseMs: number;
  /** How long the peer may leave our writes unread. */
  readonly writeMs: number;
}

export interface AssociationOptions {
  readonly callingAeTitle: string;
  readonly node: DicomNode;
  /** At most 128 (PS3.8 9.3.2.2: odd IDs of one octet). */
  readonly contexts: readonly ContextProposal[];
  readonly timeouts: AssociationTimeouts;
  /** Gives the association up, at any time, with an A-ABORT. */
  readonly signal?: AbortSignal;
  readonly observer?: DimseObserver;
}

/** All in milliseconds. */
export interface AcceptorTimeouts {
  /** From the connection to the A-ASSOCIATE-RQ, and the longest wait for a release. */
  readonly acseMs: number;
  /** How long the peer may leave our writes unread. */
  readonly writeMs: number;
}

export interface AcceptOptions {
  readonly timeouts: AcceptorTimeouts;
  /** Accepts or rejects (PS3.8 7.1.1); called once, when the request is there. */
  readonly answer: (rq: AssociateRqPdu) => AssociateAcPdu | AssociateRjPdu;
  readonly observer?: DimseObserver;
}

export const MAX_PRESENTATION_CONTEXTS = 128;

/** The longest P-DATA-TF variable field that we take, in bytes; 128 KiB is the most that DCMTK sends. */
export const OUR_MAXIMUM_LENGTH = 131_072;

/** How errors and logs name a node. */
export function nodeName(node: Pick<DicomNode, 'aeTitle' | 'host' | 'port'>): string {
  return `${node.aeTitle} (${node.host}:${node.port})`;
}

/** The A-ASSOCIATE-RQ that proposes the contexts, with the IDs 1, 3, 5 … in their order (PS3.8 9.3.2). */
export function associateRq({ node, callingAeTitle, contexts }: AssociationOptions): AssociateRqPdu {
  const roles = new Map<string, RoleSelection>();
  for (const { abstractSyntax, asScp } of contexts)
    if (asScp === true) roles.set(abstractSyntax, { sopClassUid: abstractSyntax, scu: false, scp: true });
  return {
    type: 'A-ASSOCIATE-RQ',
    calledAeTitle: node.aeTitle,
    callingAeTitle,
    applicationContextName: APPLICATION_CONTEXT_NAME,
    presentationContexts: contexts.map(({ abstractSyntax, transferSyntaxes }, index) => ({
      id: 2 * index + 1,
      abstractSyntax,
      transferSyntaxes,
    })),
    userInformation: {
      maximumLength: OUR_MAXIMUM_LENGTH,
      implementationClassUid: IMPLEMENTATION_CLASS_UID,
      implementationVersionName: IMPLEMENTATION_VERSION_NAME,
      roleSelections: [...roles.values()],
    },
  };
}

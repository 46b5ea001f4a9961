/** The protocol data units of PS3.8 9.3, as closed unions: a reason that its source can't give can't be built. */

/** PS3.8 annex A.2.1 */
export const APPLICATION_CONTEXT_NAME = '1.2.840.10008.3.1.1.1';

/** What a requestor offers under one odd ID from 1 to 255 (PS3.8 9.3.2.2). */
export interface ProposedPresentationContext {
  readonly id: number;
  readonly abstractSyntax: string;
  readonly transferSyntaxes: readonly string[];
}

/** PS3.8 table 9-18, in the order of their codes. */
export const PRESENTATION_CONTEXT_RESULTS = [
  'acceptance',
  'user-rejection',
  'no-reason',
  'abstract-syntax-not-supported',
  'transfer-syntaxes-not-supported',
] as const;
export type PresentationContextResult = (typeof PRESENTATION_CONTEXT_RESULTS)[number];

/** The acceptor's answer to one offer (PS3.8 9.3.3.2). The transfer syntax means nothing unless accepted. */
export interface PresentationContextReply {
  readonly id: number;
  readonly result: PresentationContextResult;
  readonly transferSyntax: string;
}

/** PS3.7 D.3.3.4: who may be SCU and SCP of a SOP class; C-GET needs the requestor to be SCP of the storage classes. */
export interface RoleSelection {
  readonly sopClassUid: string;
  readonly scu: boolean;
  readonly scp: boolean;
}

/** PS3.8 9.3.2.3 and PS3.7 D.3.3; sub-items that we don't know are skipped, as the standard wants. */
export interface UserInformation {
  /** The longest P-DATA-TF variable field that the sender takes, in bytes; 0 is no limit (PS3.8 D.1). */
  readonly maximumLength: number;
  readonly implementationClassUid: string;
  readonly implementationVersionName?: string;
  /** PS3.7 D.3.3.3; 0 is no limit. */
  readonly asynchronousOperationsWindow?: { readonly invoked: number; readonly performed: number };
  readonly roleSelections: readonly RoleSelection[];
}

export interface AssociateRqPdu {
  readonly type: 'A-ASSOCIATE-RQ';
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly applicationContextName: string;
  readonly presentationContexts: readonly ProposedPresentationContext[];
  readonly userInformation: UserInformation;
}

export interface AssociateAcPdu {
  readonly type: 'A-ASSOCIATE-AC';
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly applicationContextName: string;
  readonly presentationContexts: readonly PresentationContextReply[];
  readonly userInformation: UserInformation;
}

export type RejectResult = 'rejected-permanent' | 'rejected-transient';

/** PS3.8 table 9-21: the reasons depend on who rejects. `code` keeps what a peer sent beyond the table. */
export type AssociateRjPdu = { readonly type: 'A-ASSOCIATE-RJ'; readonly result: RejectResult } & (
  | {
      readonly source: 'service-user';
      readonly reason:
        | 'no reason given'
        | 'application context name not supported'
        | 'calling AE title not recognized'
        | 'called AE title not recognized'
        | 'reserved';
    }
  | {
      readonly source: 'service-provider (ACSE)';
      readonly reason: 'no reason given' | 'protocol version not supported' | 'reserved';
    }
  | {
      readonly source: 'service-provider (presentation)';
      readonly reason: 'temporary congestion' | 'local limit exceeded' | 'reserved';
    }
);

/** PS3.8 table 9-26. */
export type AbortPdu = { readonly type: 'A-ABORT' } & (
  | { readonly source: 'service-user'; readonly reason: 'not significant' }
  | {
      readonly source: 'service-provider';
      readonly reason:
        | 'reason not specified'
        | 'unrecognized PDU'
        | 'unexpected PDU'
        | 'unrecognized PDU parameter'
        | 'unexpected PDU parameter'
        | 'invalid PDU parameter value'
        | 'reserved';
    }
);
export type ProviderAbortReason = Extract<AbortPdu, { source: 'service-provider' }>['reason'];

/** PS3.8 9.3.5.1 and annex E: a fragment of a command or of a data set. */
export interface Pdv {
  readonly presentationContextId: number;
  readonly isCommand: boolean;
  readonly isLast: boolean;
  readonly data: Buffer;
}

export interface PDataTfPdu {
  readonly type: 'P-DATA-TF';
  readonly pdvs: readonly Pdv[];
}

/** Every PDU but P-DATA-TF: short, and kept whole while it arrives. */
export type ControlPdu =
  | AssociateRqPdu
  | AssociateAcPdu
  | AssociateRjPdu
  | { readonly type: 'A-RELEASE-RQ' }
  | { readonly type: 'A-RELEASE-RP' }
  | AbortPdu;

export type Pdu = ControlPdu | PDataTfPdu;
export type PduType = Pdu['type'];

/** The PDU-type octet (PS3.8 9.3.1). */
export const PDU_TYPE_CODES: Readonly<Record<PduType, number>> = {
  'A-ASSOCIATE-RQ': 0x01,
  'A-ASSOCIATE-AC': 0x02,
  'A-ASSOCIATE-RJ': 0x03,
  'P-DATA-TF': 0x04,
  'A-RELEASE-RQ': 0x05,
  'A-RELEASE-RP': 0x06,
  'A-ABORT': 0x07,
};

/** Item types of PS3.8 9.3.2, 9.3.3 and PS3.7 D.3.3. */
export const ItemType = {
  ApplicationContext: 0x10,
  PresentationContextRq: 0x20,
  PresentationContextAc: 0x21,
  AbstractSyntax: 0x30,
  TransferSyntax: 0x40,
  UserInformation: 0x50,
  MaximumLength: 0x51,
  ImplementationClassUid: 0x52,
  AsynchronousOperationsWindow: 0x53,
  RoleSelection: 0x54,
  ImplementationVersionName: 0x55,
} as const;

export const RJ_RESULTS = ['rejected-permanent', 'rejected-transient'] as const;
export const RJ_REASONS = {
  'service-user': {
    1: 'no reason given',
    2: 'application context name not supported',
    3: 'calling AE title not recognized',
    7: 'called AE title not recognized',
  },
  'service-provider (ACSE)': { 1: 'no reason given', 2: 'protocol version not supported' },
  'service-provider (presentation)': { 1: 'temporary congestion', 2: 'local limit exceeded' },
} as const;
export const RJ_SOURCES = [
  'service-user',
  'service-provider (ACSE)',
  'service-provider (presentation)',
] as const;

/** By code; 3 is reserved. */
export const PROVIDER_ABORT_REASONS: readonly ProviderAbortReason[] = [
  'reason not specified',
  'unrecognized PDU',
  'unexpected PDU',
  'reserved',
  'unrecognized PDU parameter',
  'unexpected PDU parameter',
  'invalid PDU parameter value',
];

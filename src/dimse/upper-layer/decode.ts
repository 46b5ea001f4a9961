import { withoutTrailingPadding } from '../../core/padding.js';
import {
  ItemType,
  PRESENTATION_CONTEXT_RESULTS,
  PROVIDER_ABORT_REASONS,
  RJ_REASONS,
  type AbortPdu,
  type AssociateAcPdu,
  type AssociateRjPdu,
  type AssociateRqPdu,
  type ControlPdu,
  type PresentationContextReply,
  type ProposedPresentationContext,
  type RoleSelection,
  type UserInformation,
} from './pdu.js';

/** What is wrong with bytes that should be a PDU, and which A-ABORT reason says so (PS3.8 table 9-26). */
export class PduError extends Error {
  readonly abortReason: 'unrecognized PDU' | 'unexpected PDU' | 'invalid PDU parameter value';

  constructor(problem: string, abortReason: PduError['abortReason'] = 'invalid PDU parameter value') {
    super(problem);
    this.name = 'PduError';
    this.abortReason = abortReason;
  }
}

/** An A-ASSOCIATE-RQ of a version of the protocol that is not ours, which is rejected (PS3.8 table 9-7, AE-6). */
export class ProtocolVersionError extends PduError {
  constructor() {
    super('A-ASSOCIATE-RQ: protocol version without bit 0');
    this.name = 'ProtocolVersionError';
  }
}

/** What a peer gets that does not say how much it takes, as it must (PS3.8 D.1); what DCMTK and others take by default. */
const ASSUMED_MAXIMUM_LENGTH = 16_384;

/**
 * Reads the variable field of a PDU other than P-DATA-TF. Items and sub-items of unknown type are skipped
 * (PS3.8 9.3.1), reserved fields are not tested.
 *
 * @throws PduError when a length leads out of the PDU or a value is not of its table.
 */
export function decodeControlPdu(type: ControlPdu['type'], body: Buffer): ControlPdu {
  switch (type) {
    case 'A-ASSOCIATE-RQ':
      return associateRq(body);
    case 'A-ASSOCIATE-AC':
      return associateAc(body);
    case 'A-ASSOCIATE-RJ':
      return associateRj(body);
    case 'A-RELEASE-RQ':
    case 'A-RELEASE-RP':
      return { type };
    case 'A-ABORT':
      return abort(body);
  }
}

interface Item {
  readonly type: number;
  readonly body: Buffer;
}

function items(bytes: Buffer, of: string): Item[] {
  const found: Item[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw new PduError(`${of}: an item header is cut off`);
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) throw new PduError(`${of}: an item is longer than what holds it`);
    found.push({ type: bytes.readUInt8(at), body: bytes.subarray(at + 4, end) });
    at = end;
  }
  return found;
}

/** UIDs and names may come padded, with NUL or space, against PS3.8 F.1. */
function text(bytes: Buffer): string {
  return withoutTrailingPadding(bytes.toString('latin1'));
}

function aeTitle(bytes: Buffer): string {
  return text(bytes).trimStart();
}

interface AssociateHead {
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly variable: readonly Item[];
}

function associateHead(body: Buffer, type: string): AssociateHead {
  if (body.length < 68) throw new PduError(`${type}: ${body.length} bytes are too few`);
  return {
    calledAeTitle: aeTitle(body.subarray(4, 20)),
    callingAeTitle: aeTitle(body.subarray(20, 36)),
    variable: items(body.subarray(68), type),
  };
}

function applicationContextName(head: AssociateHead): string {
  const item = head.variable.find(({ type }) => type === ItemType.ApplicationContext);
  return item === undefined ? '' : text(item.body);
}

function associateRq(body: Buffer): AssociateRqPdu {
  // What follows may be anything in another version. In an A-ASSOCIATE-AC the field says nothing: one version was proposed.
  if (body.length >= 2 && (body.readUInt16BE(0) & 1) === 0) throw new ProtocolVersionError();
  const head = associateHead(body, 'A-ASSOCIATE-RQ');
  return {
    type: 'A-ASSOCIATE-RQ',
    calledAeTitle: head.calledAeTitle,
    callingAeTitle: head.callingAeTitle,
    applicationContextName: applicationContextName(head),
    presentationContexts: head.variable
      .filter(({ type }) => type === ItemType.PresentationContextRq)
      .map(({ body: context }) => proposedContext(context)),
    userInformation: userInformation(head, 'A-ASSOCIATE-RQ'),
  };
}

function associateAc(body: Buffer): AssociateAcPdu {
  const head = associateHead(body, 'A-ASSOCIATE-AC');
  return {
    type: 'A-ASSOCIATE-AC',
    calledAeTitle: head.calledAeTitle,
    callingAeTitle: head.callingAeTitle,
    applicationContextName: applicationContextName(head),
    presentationContexts: head.variable
      .filter(({ type }) => type === ItemType.PresentationContextAc)
      .map(({ body: context }) => contextReply(context)),
    userInformation: userInformation(head, 'A-ASSOCIATE-AC'),
  };
}

function proposedContext(body: Buffer): ProposedPresentationContext {
  if (body.length < 4) throw new PduError('presentation context: too short');
  const syntaxes = items(body.subarray(4), 'presentation context');
  const abstractSyntax = syntaxes.find(({ type }) => type === ItemType.AbstractSyntax);
  if (abstractSyntax === undefined) throw new PduError('presentation context: no abstract syntax');
  return {
    id: contextId(body),
    abstractSyntax: text(abstractSyntax.body),
    transferSyntaxes: syntaxes
      .filter(({ type }) => type === ItemType.TransferSyntax)
      .map(({ body: syntax }) => text(syntax)),
  };
}

function contextReply(body: Buffer): PresentationContextReply {
  if (body.length < 4) throw new PduError('presentation context: too short');
  const result = PRESENTATION_CONTEXT_RESULTS[body.readUInt8(2)];
  if (result === undefined) throw new PduError('presentation context: unknown result');
  const syntax = items(body.subarray(4), 'presentation context').find(
    ({ type }) => type === ItemType.TransferSyntax,
  );
  return { id: contextId(body), result, transferSyntax: syntax === undefined ? '' : text(syntax.body) };
}

function contextId(body: Buffer): number {
  const id = body.readUInt8(0);
  if (id % 2 === 0) throw new PduError('presentation context: an even ID');
  return id;
}

function userInformation(head: AssociateHead, of: string): UserInformation {
  const info = head.variable.find(({ type }) => type === ItemType.UserInformation);
  let maximumLength = ASSUMED_MAXIMUM_LENGTH;
  let implementationClassUid = '';
  let version: string | undefined;
  let window: UserInformation['asynchronousOperationsWindow'];
  const roleSelections: RoleSelection[] = [];
  for (const { type, body } of info === undefined ? [] : items(info.body, of)) {
    if (type === ItemType.MaximumLength) {
      if (body.length < 4) throw new PduError('maximum length: too short');
      maximumLength = body.readUInt32BE(0);
    } else if (type === ItemType.ImplementationClassUid) implementationClassUid = text(body);
    else if (type === ItemType.ImplementationVersionName) version = text(body);
    else if (type === ItemType.RoleSelection) roleSelections.push(roleSelection(body));
    else if (type === ItemType.AsynchronousOperationsWindow) {
      if (body.length < 4) throw new PduError('asynchronous operations window: too short');
      window = { invoked: body.readUInt16BE(0), performed: body.readUInt16BE(2) };
    }
  }
  return {
    maximumLength,
    implementationClassUid,
    ...(version === undefined ? {} : { implementationVersionName: version }),
    ...(window === undefined ? {} : { asynchronousOperationsWindow: window }),
    roleSelections,
  };
}

function roleSelection(body: Buffer): RoleSelection {
  const uidEnd = body.length < 2 ? Infinity : 2 + body.readUInt16BE(0);
  if (uidEnd + 2 > body.length) throw new PduError('role selection: too short');
  return {
    sopClassUid: text(body.subarray(2, uidEnd)),
    scu: body.readUInt8(uidEnd) === 1,
    scp: body.readUInt8(uidEnd + 1) === 1,
  };
}

function associateRj(body: Buffer): AssociateRjPdu {
  const [, resultCode, source, reason] = body;
  if (resultCode !== 1 && resultCode !== 2) throw new PduError('A-ASSOCIATE-RJ: unknown result');
  const result = resultCode === 1 ? 'rejected-permanent' : 'rejected-transient';
  const known = <Names extends Readonly<Record<number, string>>>(
    names: Names,
  ): Names[keyof Names] | 'reserved' => (names[reason ?? 0] as Names[keyof Names] | undefined) ?? 'reserved';
  switch (source) {
    case 1:
      return {
        type: 'A-ASSOCIATE-RJ',
        result,
        source: 'service-user',
        reason: known(RJ_REASONS['service-user']),
      };
    case 2:
      return {
        type: 'A-ASSOCIATE-RJ',
        result,
        source: 'service-provider (ACSE)',
        reason: known(RJ_REASONS['service-provider (ACSE)']),
      };
    case 3:
      return {
        type: 'A-ASSOCIATE-RJ',
        result,
        source: 'service-provider (presentation)',
        reason: known(RJ_REASONS['service-provider (presentation)']),
      };
    default:
      throw new PduError('A-ASSOCIATE-RJ: unknown source');
  }
}

function abort(body: Buffer): AbortPdu {
  const [, , source, reason] = body;
  // Anything but the service provider counts as the user: peers fill the octet with what they like.
  if (source !== 2) return { type: 'A-ABORT', source: 'service-user', reason: 'not significant' };
  return {
    type: 'A-ABORT',
    source: 'service-provider',
    reason: PROVIDER_ABORT_REASONS[reason ?? 0] ?? 'reserved',
  };
}

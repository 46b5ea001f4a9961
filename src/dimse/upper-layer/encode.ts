import {
  ItemType,
  PDU_TYPE_CODES,
  PRESENTATION_CONTEXT_RESULTS,
  PROVIDER_ABORT_REASONS,
  RJ_REASONS,
  RJ_RESULTS,
  RJ_SOURCES,
  type AbortPdu,
  type AssociateAcPdu,
  type AssociateRjPdu,
  type AssociateRqPdu,
  type Pdu,
  type PduType,
  type Pdv,
  type UserInformation,
} from './pdu.js';

/** PDU type, a reserved octet, the length: 6 bytes (PS3.8 9.3.1). */
export const PDU_HEADER_LENGTH = 6;
/** Item length (4), presentation context ID, message control header (PS3.8 9.3.5.1, E.2). */
export const PDV_HEADER_LENGTH = 6;

/** The bytes of any PDU. Streams of data sets don't pass here but by {@link pDataHeader}, which copies nothing. */
export function encodePdu(pdu: Pdu): Buffer {
  switch (pdu.type) {
    case 'A-ASSOCIATE-RQ':
    case 'A-ASSOCIATE-AC':
      return frame(pdu.type, associateBody(pdu));
    case 'A-ASSOCIATE-RJ':
      return frame(pdu.type, Buffer.from([0, RJ_RESULTS.indexOf(pdu.result) + 1, ...rejectCodes(pdu)]));
    case 'A-RELEASE-RQ':
    case 'A-RELEASE-RP':
      return frame(pdu.type, Buffer.alloc(4));
    case 'A-ABORT':
      return frame(pdu.type, Buffer.from([0, 0, ...abortCodes(pdu)]));
    case 'P-DATA-TF':
      return frame(
        pdu.type,
        Buffer.concat(pdu.pdvs.flatMap((pdv) => [pdvHeader(pdv, pdv.data.length), pdv.data])),
      );
  }
}

/** The 12 bytes that go before the value of the one PDV of a P-DATA-TF PDU. */
export function pDataHeader(pdv: Omit<Pdv, 'data'>, dataLength: number): Buffer {
  const header = Buffer.allocUnsafe(PDU_HEADER_LENGTH + PDV_HEADER_LENGTH);
  header.writeUInt16BE(PDU_TYPE_CODES['P-DATA-TF'] << 8, 0);
  header.writeUInt32BE(PDV_HEADER_LENGTH + dataLength, 2);
  writePdvHeader(header, PDU_HEADER_LENGTH, pdv, dataLength);
  return header;
}

/**
 * P-DATA-TF PDUs of one PDV each (PS3.8 annex E), for what is in memory whole: command sets and Identifiers.
 *
 * @param longest of the value of a PDV, as the peer takes it
 * @returns headers and values in turn
 */
export function pDataPdus(
  context: Pick<Pdv, 'presentationContextId' | 'isCommand'>,
  bytes: Buffer,
  longest: number,
): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  do {
    const data = bytes.subarray(at, at + longest);
    at += data.length;
    parts.push(pDataHeader({ ...context, isLast: at === bytes.length }, data.length), data);
  } while (at < bytes.length);
  return parts;
}

function pdvHeader(pdv: Omit<Pdv, 'data'>, dataLength: number): Buffer {
  const header = Buffer.allocUnsafe(PDV_HEADER_LENGTH);
  writePdvHeader(header, 0, pdv, dataLength);
  return header;
}

function writePdvHeader(target: Buffer, at: number, pdv: Omit<Pdv, 'data'>, dataLength: number): void {
  target.writeUInt32BE(dataLength + 2, at);
  target.writeUInt8(pdv.presentationContextId, at + 4);
  target.writeUInt8((pdv.isCommand ? 1 : 0) | (pdv.isLast ? 2 : 0), at + 5);
}

function frame(type: PduType, body: Buffer): Buffer {
  const header = Buffer.alloc(PDU_HEADER_LENGTH);
  header.writeUInt8(PDU_TYPE_CODES[type], 0);
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
}

function associateBody(pdu: AssociateRqPdu | AssociateAcPdu): Buffer {
  const fixed = Buffer.alloc(68);
  fixed.writeUInt16BE(1, 0); // protocol version: bit 0
  fixed.write(pdu.calledAeTitle.padEnd(16).slice(0, 16), 4, 'latin1');
  fixed.write(pdu.callingAeTitle.padEnd(16).slice(0, 16), 20, 'latin1');
  const contexts =
    pdu.type === 'A-ASSOCIATE-RQ'
      ? pdu.presentationContexts.map((context) =>
          item(ItemType.PresentationContextRq, [
            Buffer.from([context.id, 0, 0, 0]),
            text(ItemType.AbstractSyntax, context.abstractSyntax),
            ...context.transferSyntaxes.map((uid) => text(ItemType.TransferSyntax, uid)),
          ]),
        )
      : pdu.presentationContexts.map((context) =>
          item(ItemType.PresentationContextAc, [
            Buffer.from([context.id, 0, PRESENTATION_CONTEXT_RESULTS.indexOf(context.result), 0]),
            text(ItemType.TransferSyntax, context.transferSyntax),
          ]),
        );
  return Buffer.concat([
    fixed,
    text(ItemType.ApplicationContext, pdu.applicationContextName),
    ...contexts,
    userInformation(pdu.userInformation),
  ]);
}

function userInformation(info: UserInformation): Buffer {
  const maximumLength = Buffer.alloc(4);
  maximumLength.writeUInt32BE(info.maximumLength);
  const items = [
    item(ItemType.MaximumLength, [maximumLength]),
    text(ItemType.ImplementationClassUid, info.implementationClassUid),
  ];
  if (info.asynchronousOperationsWindow !== undefined) {
    const window = Buffer.alloc(4);
    window.writeUInt16BE(info.asynchronousOperationsWindow.invoked, 0);
    window.writeUInt16BE(info.asynchronousOperationsWindow.performed, 2);
    items.push(item(ItemType.AsynchronousOperationsWindow, [window]));
  }
  for (const role of info.roleSelections) {
    const uid = Buffer.from(role.sopClassUid, 'latin1');
    const uidLength = Buffer.alloc(2);
    uidLength.writeUInt16BE(uid.length);
    items.push(
      item(ItemType.RoleSelection, [uidLength, uid, Buffer.from([role.scu ? 1 : 0, role.scp ? 1 : 0])]),
    );
  }
  if (info.implementationVersionName !== undefined)
    items.push(text(ItemType.ImplementationVersionName, info.implementationVersionName));
  return item(ItemType.UserInformation, items);
}

function text(type: number, value: string): Buffer {
  return item(type, [Buffer.from(value, 'latin1')]);
}

function item(type: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(4);
  header.writeUInt8(type, 0);
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, body]);
}

function rejectCodes(rj: AssociateRjPdu): [source: number, reason: number] {
  const reason = Object.entries(RJ_REASONS[rj.source]).find(([, name]) => name === rj.reason)?.[0];
  return [RJ_SOURCES.indexOf(rj.source) + 1, Number(reason ?? 0)];
}

function abortCodes(abort: AbortPdu): [source: number, reason: number] {
  return abort.source === 'service-user' ? [0, 0] : [2, PROVIDER_ABORT_REASONS.indexOf(abort.reason)];
}

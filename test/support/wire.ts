import { decodeControlPdu } from '../../src/dimse/upper-layer/decode.js';
import { encodePdu } from '../../src/dimse/upper-layer/encode.js';
import {
  APPLICATION_CONTEXT_NAME,
  PRESENTATION_CONTEXT_RESULTS,
  type AssociateAcPdu,
  type AssociateRqPdu,
  type ProposedPresentationContext,
  type UserInformation,
} from '../../src/dimse/upper-layer/pdu.js';

/**
 * PDUs, command sets and Identifiers as scripts need them. Messages are written by hand from PS3.8 9.3.5 and PS3.7 E, and share
 * nothing with src/dimse: a mistake there must not meet its twin here. Requests for associations and their answers are
 * those of src/dimse, which `upper-layer-fixtures.ts` holds against the bytes of the standard.
 */
export const PDU_NAMES = {
  1: 'A-ASSOCIATE-RQ',
  2: 'A-ASSOCIATE-AC',
  3: 'A-ASSOCIATE-RJ',
  4: 'P-DATA-TF',
  5: 'A-RELEASE-RQ',
  6: 'A-RELEASE-RP',
  7: 'A-ABORT',
} as const;

export type PduName = (typeof PDU_NAMES)[keyof typeof PDU_NAMES];

export interface RawPdu {
  readonly type: number;
  readonly name: PduName | 'unknown';
  /** Without the six bytes in front. */
  readonly body: Buffer;
}

export const IMPLICIT_LE = '1.2.840.10008.1.2';
export const EXPLICIT_LE = '1.2.840.10008.1.2.1';
export const VERIFICATION = '1.2.840.10008.1.1';

export type ProposedContext = ProposedPresentationContext;

/** A presentation context as it is answered; result 0 is acceptance. */
export interface AnsweredContext {
  readonly id: number;
  readonly result: number;
  readonly transferSyntax: string;
}

export interface Role {
  readonly sopClass: string;
  readonly scu: boolean;
  readonly scp: boolean;
}

/** What both sides say of an association. */
interface Associated {
  readonly called: string;
  readonly calling: string;
  readonly maxLength: number;
  readonly roles: readonly Role[];
}

export interface AssociateRq extends Associated {
  readonly contexts: readonly ProposedContext[];
}

export interface AssociateAc extends Associated {
  readonly contexts: readonly AnsweredContext[];
}

type ToEncode<T> = Pick<Associated, 'called' | 'calling'> & Partial<Associated> & T;

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Any PDU; `length` may lie about what follows. */
export function pdu(type: number, body: Buffer, length = body.length): Buffer {
  return Buffer.concat([Buffer.of(type, 0), u32(length), body]);
}

function encoded({
  called,
  calling,
  maxLength = 16384,
  roles = [],
}: ToEncode<object>): Omit<AssociateRqPdu, 'type' | 'presentationContexts'> {
  const userInformation: UserInformation = {
    ...{ maximumLength: maxLength, implementationClassUid: '1.2.826.0.1.3680043.8.498.99' },
    implementationVersionName: 'SCRIPTED_PEER',
    roleSelections: roles.map(({ sopClass, ...role }) => ({ ...role, sopClassUid: sopClass })),
  };
  const titles = { calledAeTitle: called, callingAeTitle: calling };
  return { ...titles, applicationContextName: APPLICATION_CONTEXT_NAME, userInformation };
}

export function encodeAssociateRq(request: ToEncode<Pick<AssociateRq, 'contexts'>>): Buffer {
  return encodePdu({ type: 'A-ASSOCIATE-RQ', ...encoded(request), presentationContexts: request.contexts });
}

export function encodeAssociateAc(answer: ToEncode<Pick<AssociateAc, 'contexts'>>): Buffer {
  const presentationContexts = answer.contexts.map((context) => ({
    ...context,
    result: PRESENTATION_CONTEXT_RESULTS[context.result]!,
  }));
  return encodePdu({ type: 'A-ASSOCIATE-AC', ...encoded(answer), presentationContexts });
}

function decoded({
  calledAeTitle,
  callingAeTitle,
  userInformation,
}: AssociateRqPdu | AssociateAcPdu): Associated {
  const { maximumLength, roleSelections } = userInformation;
  return {
    ...{ called: calledAeTitle, calling: callingAeTitle, maxLength: maximumLength },
    roles: roleSelections.map(({ sopClassUid, ...role }) => ({ ...role, sopClass: sopClassUid })),
  };
}

export function decodeAssociateRq(body: Buffer): AssociateRq {
  const read = decodeControlPdu('A-ASSOCIATE-RQ', body) as AssociateRqPdu;
  return { ...decoded(read), contexts: read.presentationContexts };
}

export function decodeAssociateAc(body: Buffer): AssociateAc {
  const read = decodeControlPdu('A-ASSOCIATE-AC', body) as AssociateAcPdu;
  const contexts = read.presentationContexts.map((context) => ({
    ...context,
    result: PRESENTATION_CONTEXT_RESULTS.indexOf(context.result),
  }));
  return { ...decoded(read), contexts };
}

export function encodeAssociateRj(result: number, source: number, reason: number): Buffer {
  return pdu(3, Buffer.of(0, result, source, reason));
}

export function encodeAbort(source: number, reason: number): Buffer {
  return pdu(7, Buffer.of(0, 0, source, reason));
}

export const RELEASE_RQ = pdu(5, Buffer.alloc(4));
export const RELEASE_RP = pdu(6, Buffer.alloc(4));

export interface RawPdv {
  readonly contextId: number;
  readonly isCommand: boolean;
  readonly isLast: boolean;
  readonly bytes: Buffer;
}

/** One P-DATA-TF with these values, whatever they are. */
export function encodePData(pdvs: readonly RawPdv[]): Buffer {
  return pdu(
    4,
    Buffer.concat(
      pdvs.flatMap(({ contextId, isCommand, isLast, bytes }) => [
        u32(bytes.length + 2),
        Buffer.of(contextId, (isCommand ? 1 : 0) | (isLast ? 2 : 0)),
        bytes,
      ]),
    ),
  );
}

export function decodePData(body: Buffer): RawPdv[] {
  const pdvs: RawPdv[] = [];
  for (let at = 0; at < body.length;) {
    const length = body.readUInt32BE(at);
    if (length < 2 || at + 4 + length > body.length)
      throw new Error(`a PDV of ${length} bytes at ${at} of ${body.length}`);
    const control = body.readUInt8(at + 5);
    pdvs.push({
      contextId: body.readUInt8(at + 4),
      isCommand: (control & 1) !== 0,
      isLast: (control & 2) !== 0,
      bytes: body.subarray(at + 6, at + 4 + length),
    });
    at += 4 + length;
  }
  return pdvs;
}

function text(bytes: Buffer): string {
  return bytes.toString('latin1');
}

/** A command set: keyword → number or text. */
export type Command = Readonly<Record<string, number | string>>;

const COMMAND_ELEMENTS: readonly (readonly [number, string, 'US' | 'UI' | 'AE' | 'LO' | 'UL' | 'AT'])[] = [
  [0x0002, 'AffectedSOPClassUID', 'UI'],
  [0x0003, 'RequestedSOPClassUID', 'UI'],
  [0x0100, 'CommandField', 'US'],
  [0x0110, 'MessageID', 'US'],
  [0x0120, 'MessageIDBeingRespondedTo', 'US'],
  [0x0600, 'MoveDestination', 'AE'],
  [0x0700, 'Priority', 'US'],
  [0x0800, 'CommandDataSetType', 'US'],
  [0x0900, 'Status', 'US'],
  [0x0901, 'OffendingElement', 'AT'],
  [0x0902, 'ErrorComment', 'LO'],
  [0x0903, 'ErrorID', 'US'],
  [0x1000, 'AffectedSOPInstanceUID', 'UI'],
  [0x1020, 'NumberOfRemainingSuboperations', 'US'],
  [0x1021, 'NumberOfCompletedSuboperations', 'US'],
  [0x1022, 'NumberOfFailedSuboperations', 'US'],
  [0x1023, 'NumberOfWarningSuboperations', 'US'],
  [0x1030, 'MoveOriginatorApplicationEntityTitle', 'AE'],
  [0x1031, 'MoveOriginatorMessageID', 'US'],
];

/** CommandDataSetType of a message without a data set. */
export const NO_DATA_SET = 0x0101;

export const COMMANDS = {
  CStoreRq: 0x0001,
  CStoreRsp: 0x8001,
  CGetRq: 0x0010,
  CGetRsp: 0x8010,
  CFindRq: 0x0020,
  CFindRsp: 0x8020,
  CMoveRq: 0x0021,
  CMoveRsp: 0x8021,
  CEchoRq: 0x0030,
  CEchoRsp: 0x8030,
  CCancelRq: 0x0fff,
} as const;

function implicitElement(group: number, element: number, value: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(group, 0);
  header.writeUInt16LE(element, 2);
  header.writeUInt32LE(value.length, 4);
  return Buffer.concat([header, value]);
}

function even(value: Buffer, pad: number): Buffer {
  return value.length % 2 === 0 ? value : Buffer.concat([value, Buffer.of(pad)]);
}

/** A command set in Implicit VR Little Endian, with its group length. */
export function encodeCommand(command: Command): Buffer {
  for (const keyword of Object.keys(command)) {
    if (!COMMAND_ELEMENTS.some(([, name]) => name === keyword))
      throw new Error(`no command element ${keyword}`);
  }
  const elements = COMMAND_ELEMENTS.flatMap(([element, keyword, vr]) => {
    const value = command[keyword];
    if (value === undefined) return [];
    if (typeof value === 'string')
      return [implicitElement(0, element, even(Buffer.from(value, 'latin1'), vr === 'UI' ? 0 : 0x20))];
    const bytes = Buffer.alloc(vr === 'US' ? 2 : 4);
    if (vr === 'US') bytes.writeUInt16LE(value);
    else bytes.writeUInt32LE(value);
    return [implicitElement(0, element, bytes)];
  });
  const body = Buffer.concat(elements);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([implicitElement(0, 0, length), body]);
}

/** Elements that are not known stand under `(gggg,eeee)`. */
export function decodeCommand(bytes: Buffer): Record<string, number | string> {
  const command: Record<string, number | string> = {};
  for (const { group, element, value } of implicitElements(bytes)) {
    if (group === 0 && element === 0) continue;
    const known = group === 0 ? COMMAND_ELEMENTS.find(([number]) => number === element) : undefined;
    const name = known?.[1] ?? `(${hex(group)},${hex(element)})`;
    if (known?.[2] === 'US') command[name] = value.readUInt16LE(0);
    else if (known?.[2] === 'UL' || known?.[2] === 'AT') command[name] = value.readUInt32LE(0);
    else command[name] = text(value).replace(/[\0 ]+$/, '');
  }
  return command;
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0');
}

const implicitElements = (bytes: Buffer): Generator<RawElement> =>
  elements(bytes, (at) => bytes.readUInt32LE(at + 4));

/** With VRs whose length has two bytes (PS3.5 7.1.2); keys of queries have no other. */
const explicitElements = (bytes: Buffer): Generator<RawElement> =>
  elements(bytes, (at) => bytes.readUInt16LE(at + 6));

interface RawElement {
  readonly group: number;
  readonly element: number;
  readonly value: Buffer;
}

function* elements(bytes: Buffer, lengthOf: (at: number) => number): Generator<RawElement> {
  for (let at = 0; at < bytes.length;) {
    const length = lengthOf(at);
    if (at + 8 + length > bytes.length)
      throw new Error(`an element of ${length} bytes goes beyond the data set`);
    yield {
      group: bytes.readUInt16LE(at),
      element: bytes.readUInt16LE(at + 2),
      value: bytes.subarray(at + 8, at + 8 + length),
    };
    at += 8 + length;
  }
}

/** The keys of queries and their answers, by keyword. */
export const QUERY_KEYS: Readonly<Record<string, number>> = {
  SpecificCharacterSet: 0x00080005,
  SOPClassUID: 0x00080016,
  SOPInstanceUID: 0x00080018,
  StudyDate: 0x00080020,
  StudyTime: 0x00080030,
  AccessionNumber: 0x00080050,
  QueryRetrieveLevel: 0x00080052,
  RetrieveAETitle: 0x00080054,
  InstanceAvailability: 0x00080056,
  FailedSOPInstanceUIDList: 0x00080058,
  Modality: 0x00080060,
  ModalitiesInStudy: 0x00080061,
  StudyDescription: 0x00081030,
  SeriesDescription: 0x0008103e,
  AvailableTransferSyntaxUID: 0x00083002,
  PatientName: 0x00100010,
  PatientID: 0x00100020,
  PatientBirthDate: 0x00100030,
  PatientSex: 0x00100040,
  StudyInstanceUID: 0x0020000d,
  SeriesInstanceUID: 0x0020000e,
  StudyID: 0x00200010,
  SeriesNumber: 0x00200011,
  InstanceNumber: 0x00200013,
  NumberOfStudyRelatedSeries: 0x00201206,
  NumberOfStudyRelatedInstances: 0x00201208,
  NumberOfSeriesRelatedInstances: 0x00201209,
};

const KEYWORDS = new Map(Object.entries(QUERY_KEYS).map(([keyword, tag]) => [tag, keyword]));

/** An Identifier in Implicit VR Little Endian. Values of odd length are padded: UIDs with NUL, the rest with space. */
export function encodeIdentifier(values: Readonly<Record<string, string | Buffer>>): Buffer {
  const elements = Object.entries(values).map(([keyword, value]) => {
    const tag = QUERY_KEYS[keyword];
    if (tag === undefined) throw new Error(`no query key ${keyword}`);
    const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    return { tag, bytes: even(bytes, keyword.endsWith('UID') ? 0 : 0x20) };
  });
  return Buffer.concat(
    elements
      .sort((a, b) => a.tag - b.tag)
      .map(({ tag, bytes }) => implicitElement(tag >>> 16, tag & 0xffff, bytes)),
  );
}

/**
 * The elements of an Identifier, padding removed; unknown ones stand under `(gggg,eeee)`.
 *
 * @param isExplicit in Explicit VR Little Endian, else in Implicit VR
 */
export function decodeIdentifier(bytes: Buffer, isExplicit = false): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { group, element, value } of isExplicit ? explicitElements(bytes) : implicitElements(bytes)) {
    const tag = group * 0x10000 + element;
    values[KEYWORDS.get(tag) ?? `(${hex(group)},${hex(element)})`] = text(value).replace(/[\0 ]+$/, '');
  }
  return values;
}

/**
 * PDUs and command sets as bytes, written by hand from PS3.8 9.3 and PS3.7 E. On purpose this shares nothing with
 * src/dimse: a mistake there must not meet its twin here.
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
const APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1';

/** A presentation context as it is proposed. */
export interface ProposedContext {
  readonly id: number;
  readonly abstractSyntax: string;
  readonly transferSyntaxes: readonly string[];
}

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

export interface AssociateRq {
  readonly called: string;
  readonly calling: string;
  readonly contexts: readonly ProposedContext[];
  readonly maxLength: number;
  readonly roles: readonly Role[];
  readonly implementationClassUid: string;
  readonly implementationVersion: string;
  /** Types of the user information items, in their order. */
  readonly userItems: readonly number[];
}

export interface AssociateAc {
  readonly contexts: readonly AnsweredContext[];
  readonly maxLength: number;
  readonly roles: readonly Role[];
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Any PDU; `length` may lie about what follows. */
export function pdu(type: number, body: Buffer, length = body.length): Buffer {
  return Buffer.concat([Buffer.of(type, 0), u32(length), body]);
}

function item(type: number, body: Buffer | string): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
  return Buffer.concat([Buffer.of(type, 0), u16(bytes.length), bytes]);
}

function aeTitle(name: string): Buffer {
  return Buffer.from(name.padEnd(16).slice(0, 16), 'latin1');
}

function userInformation(maxLength: number | null, roles: readonly Role[]): Buffer {
  return item(
    0x50,
    Buffer.concat([
      ...(maxLength === null ? [] : [item(0x51, u32(maxLength))]),
      item(0x52, '1.2.826.0.1.3680043.8.498.99'),
      ...roles.map((role) =>
        item(
          0x54,
          Buffer.concat([
            u16(role.sopClass.length),
            Buffer.from(role.sopClass, 'latin1'),
            Buffer.of(role.scu ? 1 : 0, role.scp ? 1 : 0),
          ]),
        ),
      ),
      item(0x55, 'SCRIPTED_PEER'),
    ]),
  );
}

export function encodeAssociateRq(request: {
  readonly called: string;
  readonly calling: string;
  readonly contexts: readonly ProposedContext[];
  readonly maxLength?: number;
  readonly roles?: readonly Role[];
}): Buffer {
  return pdu(
    1,
    Buffer.concat([
      u16(1),
      u16(0),
      aeTitle(request.called),
      aeTitle(request.calling),
      Buffer.alloc(32),
      item(0x10, APPLICATION_CONTEXT),
      ...request.contexts.map((context) =>
        item(
          0x20,
          Buffer.concat([
            Buffer.of(context.id, 0, 0, 0),
            item(0x30, context.abstractSyntax),
            ...context.transferSyntaxes.map((uid) => item(0x40, uid)),
          ]),
        ),
      ),
      userInformation(request.maxLength ?? 16384, request.roles ?? []),
    ]),
  );
}

export function encodeAssociateAc(answer: {
  readonly called: string;
  readonly calling: string;
  readonly contexts: readonly AnsweredContext[];
  /** null leaves it out. */
  readonly maxLength?: number | null;
  /** Default 1. */
  readonly protocolVersion?: number;
  readonly roles?: readonly Role[];
}): Buffer {
  return pdu(
    2,
    Buffer.concat([
      u16(answer.protocolVersion ?? 1),
      u16(0),
      aeTitle(answer.called),
      aeTitle(answer.calling),
      Buffer.alloc(32),
      item(0x10, APPLICATION_CONTEXT),
      ...answer.contexts.map((context) =>
        item(
          0x21,
          Buffer.concat([Buffer.of(context.id, 0, context.result, 0), item(0x40, context.transferSyntax)]),
        ),
      ),
      userInformation(answer.maxLength === undefined ? 16384 : answer.maxLength, answer.roles ?? []),
    ]),
  );
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

function* items(bytes: Buffer): Generator<{ type: number; body: Buffer }> {
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt16BE(at + 2);
    if (at + 4 + length > bytes.length) throw new Error(`an item of ${length} bytes goes beyond its parent`);
    yield { type: bytes.readUInt8(at), body: bytes.subarray(at + 4, at + 4 + length) };
    at += 4 + length;
  }
}

function text(bytes: Buffer): string {
  return bytes.toString('latin1');
}

interface UserInformation {
  maxLength: number;
  roles: Role[];
  implementationClassUid: string;
  implementationVersion: string;
  userItems: number[];
}

function decodeUserInformation(bytes: Buffer): UserInformation {
  const found: UserInformation = {
    maxLength: 0,
    roles: [],
    implementationClassUid: '',
    implementationVersion: '',
    userItems: [],
  };
  for (const { type, body } of items(bytes)) {
    found.userItems.push(type);
    if (type === 0x51) found.maxLength = body.readUInt32BE(0);
    else if (type === 0x52) found.implementationClassUid = text(body);
    else if (type === 0x55) found.implementationVersion = text(body);
    else if (type === 0x54) {
      const length = body.readUInt16BE(0);
      found.roles.push({
        sopClass: text(body.subarray(2, 2 + length)),
        scu: body.readUInt8(2 + length) === 1,
        scp: body.readUInt8(3 + length) === 1,
      });
    }
  }
  return found;
}

const NO_USER_INFORMATION = Buffer.alloc(0);

export function decodeAssociateRq(body: Buffer): AssociateRq {
  const contexts: ProposedContext[] = [];
  let user = NO_USER_INFORMATION;
  for (const { type, body: bytes } of items(body.subarray(68))) {
    if (type === 0x50) user = Buffer.from(bytes);
    if (type !== 0x20) continue;
    const parts = [...items(bytes.subarray(4))];
    contexts.push({
      id: bytes.readUInt8(0),
      abstractSyntax: text(parts.find((part) => part.type === 0x30)?.body ?? Buffer.alloc(0)),
      transferSyntaxes: parts.filter((part) => part.type === 0x40).map((part) => text(part.body)),
    });
  }
  return {
    called: text(body.subarray(4, 20)).trim(),
    calling: text(body.subarray(20, 36)).trim(),
    contexts,
    ...decodeUserInformation(user),
  };
}

export function decodeAssociateAc(body: Buffer): AssociateAc {
  const contexts: AnsweredContext[] = [];
  let user = NO_USER_INFORMATION;
  for (const { type, body: bytes } of items(body.subarray(68))) {
    if (type === 0x50) user = Buffer.from(bytes);
    if (type !== 0x21) continue;
    const syntax = [...items(bytes.subarray(4))].find((part) => part.type === 0x40);
    contexts.push({
      id: bytes.readUInt8(0),
      result: bytes.readUInt8(2),
      transferSyntax: text(syntax?.body ?? Buffer.alloc(0)),
    });
  }
  const { maxLength, roles } = decodeUserInformation(user);
  return { contexts, maxLength, roles };
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

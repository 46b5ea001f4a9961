import { DEFLATED, EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN } from '../sop-classes.js';

/** How a transfer syntax writes elements (PS3.5 7.1, 7.3, annex A). */
export interface Encoding {
  readonly explicit: boolean;
  readonly bigEndian: boolean;
}

export const EXPLICIT_LE: Encoding = { explicit: true, bigEndian: false };
export const IMPLICIT_LE: Encoding = { explicit: false, bigEndian: false };
export const EXPLICIT_BE: Encoding = { explicit: true, bigEndian: true };

/** PS3.5 A.5; JPIP Referenced Deflate (A.7) and JPIP HTJ2K Referenced Deflate are deflated whole in the same way. */
const DEFLATED_SYNTAXES: ReadonlySet<string> = new Set([
  DEFLATED,
  '1.2.840.10008.1.2.4.95',
  '1.2.840.10008.1.2.4.205',
]);

/** The encoding of a data set in this transfer syntax, for a deflated one of what it inflates to (PS3.5 A.1 to A.5). */
export function encodingOf(transferSyntax: string): Encoding {
  if (transferSyntax === IMPLICIT_LITTLE_ENDIAN) return IMPLICIT_LE;
  return transferSyntax === EXPLICIT_BIG_ENDIAN ? EXPLICIT_BE : EXPLICIT_LE;
}

/** Whether data sets of this transfer syntax are deflated whole (PS3.5 A.5). */
export function isDeflated(transferSyntax: string): boolean {
  return DEFLATED_SYNTAXES.has(transferSyntax);
}

export function readUInt16(bytes: Buffer, at: number, { bigEndian }: Encoding): number {
  return bigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at);
}

export function readUInt32(bytes: Buffer, at: number, { bigEndian }: Encoding): number {
  return bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
}

/** The longest value of a VR with a 16-bit length (PS3.5 7.1.2); lengths are even. */
export const MAX_SHORT_FORM_LENGTH = 0xfffe;

/** Of even length (PS3.5 7.1.1): UIDs end in a NUL, text in a space. */
export function padded(text: Buffer, vr: string): Buffer {
  return text.length % 2 === 0 ? text : Buffer.concat([text, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
}

/**
 * Encodes an element whose VR has a 16-bit length (PS3.5 7.1.2, 7.1.3).
 *
 * @param tag group and element in one number: 0x000d0010 is (000D,0010)
 * @param value of even length, {@link MAX_SHORT_FORM_LENGTH} bytes at most
 */
export function encodeElement(tag: number, vr: string, value: Buffer, encoding: Encoding): Buffer {
  const bytes = Buffer.allocUnsafe(8 + value.length);
  const group = tag >>> 16;
  const element = tag & 0xffff;
  if (encoding.bigEndian) {
    bytes.writeUInt16BE(group, 0);
    bytes.writeUInt16BE(element, 2);
  } else {
    bytes.writeUInt16LE(group, 0);
    bytes.writeUInt16LE(element, 2);
  }
  if (!encoding.explicit) bytes.writeUInt32LE(value.length, 4);
  else {
    bytes.write(vr, 4, 'latin1');
    if (encoding.bigEndian) bytes.writeUInt16BE(value.length, 6);
    else bytes.writeUInt16LE(value.length, 6);
  }
  value.copy(bytes, 8);
  return bytes;
}

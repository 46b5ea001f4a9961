import {
  DEFLATED,
  EXPLICIT_BIG_ENDIAN,
  IMPLICIT_LITTLE_ENDIAN,
  NATIVE_TRANSFER_SYNTAXES,
  PRIVATE_GE,
} from '../sop-classes.js';

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
  if (transferSyntax === IMPLICIT_LITTLE_ENDIAN || transferSyntax === PRIVATE_GE) return IMPLICIT_LE;
  return transferSyntax === EXPLICIT_BIG_ENDIAN ? EXPLICIT_BE : EXPLICIT_LE;
}

/** Whether data sets of this transfer syntax are deflated whole (PS3.5 A.5). */
export function isDeflated(transferSyntax: string): boolean {
  return DEFLATED_SYNTAXES.has(transferSyntax);
}

/** Whether frames of this transfer syntax are neither compressed nor in fragments, each pixel where its row and column put it. */
export function hasNativeFrames(transferSyntax: string): boolean {
  return NATIVE_TRANSFER_SYNTAXES.includes(transferSyntax) || transferSyntax === PRIVATE_GE;
}

/** Whether pixels have their bytes in big endian order; those of the private syntax alone of all its elements. */
export function hasBigEndianPixels(transferSyntax: string): boolean {
  return transferSyntax === EXPLICIT_BIG_ENDIAN || transferSyntax === PRIVATE_GE;
}

export function readUInt16(bytes: Buffer, at: number, { bigEndian }: Encoding): number {
  return bigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at);
}

export function readUInt32(bytes: Buffer, at: number, { bigEndian }: Encoding): number {
  return bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
}

/** VRs with a 16-bit length (PS3.5 table 7.1-2). All others have 32 bits, and so will those to come. */
export const SHORT_FORM_VRS: ReadonlySet<string> = new Set(
  // `??` is no VR, but systems send it, in the short form.
  'AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US ??'.split(' '),
);

/** The longest value of a VR with a 16-bit length (PS3.5 7.1.2); lengths are even. */
export const MAX_SHORT_FORM_LENGTH = 0xfffe;

/** Of even length (PS3.5 7.1.1): UIDs end in a NUL, text in a space. */
export function padded(text: Buffer, vr: string): Buffer {
  return text.length % 2 === 0 ? text : Buffer.concat([text, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
}

/**
 * Encodes the header of an element, an item or a delimiter (PS3.5 7.1.2, 7.1.3, 7.5).
 *
 * @param tag group and element in one number: 0x000d0010 is (000D,0010)
 * @param vr empty for items and delimiters, which have none
 */
export function encodeHeader(tag: number, vr: string, length: number, encoding: Encoding): Buffer {
  const withVr = encoding.explicit && vr !== '';
  const long = withVr && !SHORT_FORM_VRS.has(vr);
  const bytes = Buffer.alloc(long ? 12 : 8);
  writeUInt16(bytes, 0, tag >>> 16, encoding);
  writeUInt16(bytes, 2, tag & 0xffff, encoding);
  if (withVr) bytes.write(vr, 4, 'latin1');
  if (withVr && !long) writeUInt16(bytes, 6, length, encoding);
  else if (encoding.bigEndian) bytes.writeUInt32BE(length, bytes.length - 4);
  else bytes.writeUInt32LE(length, bytes.length - 4);
  return bytes;
}

/**
 * Encodes an element whose VR has a 16-bit length (PS3.5 7.1.2, 7.1.3).
 *
 * @param value of even length, {@link MAX_SHORT_FORM_LENGTH} bytes at most
 */
export function encodeElement(tag: number, vr: string, value: Buffer, encoding: Encoding): Buffer {
  return Buffer.concat([encodeHeader(tag, vr, value.length, encoding), value]);
}

function writeUInt16(bytes: Buffer, at: number, value: number, { bigEndian }: Encoding): void {
  if (bigEndian) bytes.writeUInt16BE(value, at);
  else bytes.writeUInt16LE(value, at);
}

import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../upper-layer/implementation.js';

/** What a DICOM file says of its data set before it begins (PS3.10 7.1). */
export interface FileMeta {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** In which the data set is encoded. */
  readonly transferSyntax: string;
  /** AE title of whom it came from. */
  readonly sourceAeTitle?: string;
}

const PREAMBLE_LENGTH = 128;

/** What makes a DICOM file of a data set when it is put in front: preamble, `DICM`, File Meta Information (PS3.10 7.1). */
export function encodeFileMeta(meta: FileMeta): Buffer {
  const { sopClassUid, sopInstanceUid, transferSyntax, sourceAeTitle } = meta;
  const elements = Buffer.concat([
    Buffer.from([0x02, 0, 0x01, 0, 0x4f, 0x42, 0, 0, 2, 0, 0, 0, 0, 1]), // (0002,0001) OB 00\01
    shortElement(0x0002, 'UI', sopClassUid),
    shortElement(0x0003, 'UI', sopInstanceUid),
    shortElement(0x0010, 'UI', transferSyntax),
    shortElement(0x0012, 'UI', IMPLEMENTATION_CLASS_UID),
    shortElement(0x0013, 'SH', IMPLEMENTATION_VERSION_NAME),
    ...(sourceAeTitle === undefined ? [] : [shortElement(0x0016, 'AE', sourceAeTitle)]),
  ]);
  const groupLength = Buffer.from([0x02, 0, 0, 0, 0x55, 0x4c, 4, 0, 0, 0, 0, 0]); // (0002,0000) UL
  groupLength.writeUInt32LE(elements.length, 8);
  return Buffer.concat([Buffer.alloc(PREAMBLE_LENGTH), Buffer.from('DICM'), groupLength, elements]);
}

/** Explicit VR Little Endian with a length of two bytes (PS3.5 7.1.2), of even length. */
function shortElement(element: number, vr: 'UI' | 'SH' | 'AE', value: string): Buffer {
  const padded = value.length % 2 === 0 ? value : `${value}${vr === 'UI' ? '\0' : ' '}`;
  const header = Buffer.alloc(8);
  header.writeUInt16LE(0x0002, 0);
  header.writeUInt16LE(element, 2);
  header.write(vr, 4, 'latin1');
  header.writeUInt16LE(padded.length, 6);
  return Buffer.concat([header, Buffer.from(padded, 'latin1')]);
}

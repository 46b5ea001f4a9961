import { randomBytes } from 'node:crypto';
import {
  accessionNumber,
  patientId,
  sopInstanceUid,
  studyInstanceUid,
  type AccessionNumber,
  type PatientId,
  type SopInstanceUid,
  type StudyInstanceUid,
} from '../core/ids.js';
import { encodeElement, encodeHeader, EXPLICIT_LE, padded } from '../dimse/index.js';

/** An image of nobody, made to be known again. */
export interface CanaryImage {
  readonly sopClassUid: string;
  readonly studyInstanceUid: StudyInstanceUid;
  readonly sopInstanceUid: SopInstanceUid;
  readonly patientId: PatientId;
  readonly accessionNumber: AccessionNumber;
  /** In Explicit VR Little Endian. */
  readonly dataSet: Buffer;
}

const CT_IMAGE = '1.2.840.10008.5.1.4.1.1.2';
const SIDE = 16;

/** Each time another one: what a store holds of the last one tells nothing of what it does now. */
export function canaryImage(): CanaryImage {
  const mark = randomBytes(5).toString('hex').toUpperCase();
  const study = studyInstanceUid(newUid());
  const instance = sopInstanceUid(newUid());
  const [patient, accession] = [`PIXL-DOCTOR-${mark}`, `TEST-${mark}`];
  const text = (tag: number, vr: string, value: string): Buffer =>
    encodeElement(tag, vr, padded(Buffer.from(value, 'latin1'), vr), EXPLICIT_LE);
  const number = (tag: number, value: number): Buffer =>
    encodeElement(tag, 'US', Buffer.from([value & 0xff, value >>> 8]), EXPLICIT_LE);
  const dataSet = Buffer.concat([
    text(0x00080008, 'CS', 'ORIGINAL\\PRIMARY\\AXIAL'),
    text(0x00080016, 'UI', CT_IMAGE),
    text(0x00080018, 'UI', instance),
    text(0x00080020, 'DA', '20000101'),
    text(0x00080030, 'TM', '120000'),
    text(0x00080050, 'SH', accession),
    text(0x00080060, 'CS', 'CT'),
    text(0x00080070, 'LO', 'pixl-imaging'),
    text(0x00080090, 'PN', ''),
    text(0x00081030, 'LO', 'TEST IMAGE OF PIXL-IMAGING DOCTOR'),
    text(0x0008103e, 'LO', 'TEST IMAGE, NO PATIENT'),
    text(0x00100010, 'PN', `PIXL-IMAGING^DOCTOR^${mark}`),
    text(0x00100020, 'LO', patient),
    text(0x00100030, 'DA', '19000101'),
    text(0x00100040, 'CS', 'O'),
    text(0x0020000d, 'UI', study),
    text(0x0020000e, 'UI', newUid()),
    text(0x00200010, 'SH', 'TEST'),
    text(0x00200011, 'IS', '1'),
    text(0x00200013, 'IS', '1'),
    number(0x00280002, 1),
    text(0x00280004, 'CS', 'MONOCHROME2'),
    number(0x00280010, SIDE),
    number(0x00280011, SIDE),
    number(0x00280100, 16),
    number(0x00280101, 12),
    number(0x00280102, 11),
    number(0x00280103, 0),
    text(0x00280301, 'CS', 'NO'),
    encodeHeader(0x7fe00010, 'OW', SIDE * SIDE * 2, EXPLICIT_LE),
    Buffer.alloc(SIDE * SIDE * 2),
  ]);
  return {
    ...{ sopClassUid: CT_IMAGE, studyInstanceUid: study, sopInstanceUid: instance },
    ...{ patientId: patientId(patient), accessionNumber: accessionNumber(accession), dataSet },
  };
}

/** From 128 random bits (PS3.5 B.2). */
function newUid(): string {
  return `2.25.${BigInt(`0x${randomBytes(16).toString('hex')}`)}`;
}

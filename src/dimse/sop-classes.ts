import { isUid } from '../core/ids.js';

export const VERIFICATION = '1.2.840.10008.1.1';
/** PS3.4 C.6.2.1: the Study Root model is the one that every archive has. */
export const STUDY_ROOT_FIND = '1.2.840.10008.5.1.4.1.2.2.1';
export const STUDY_ROOT_MOVE = '1.2.840.10008.5.1.4.1.2.2.2';
export const STUDY_ROOT_GET = '1.2.840.10008.5.1.4.1.2.2.3';

export const PATIENT_ROOT_FIND = '1.2.840.10008.5.1.4.1.2.1.1';
export const PATIENT_ROOT_MOVE = '1.2.840.10008.5.1.4.1.2.1.2';
export const PATIENT_ROOT_GET = '1.2.840.10008.5.1.4.1.2.1.3';

/**
 * Of the Storage service class (PS3.4 B.5): the standard's, known or to come, and any that is not the standard's,
 * for there private classes are met most.
 */
export function isStorageClass(sopClassUid: string): boolean {
  if (!sopClassUid.startsWith('1.2.840.10008.')) return isUid(sopClassUid);
  // RT Beams Delivery Instruction and its draft are storage classes in another arc.
  return /^1\.2\.840\.10008\.5\.1\.4\.(1\.1\.|34\.(1|7|10)$)/.test(sopClassUid);
}

export const DEFLATED = '1.2.840.10008.1.2.1.99';
export const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
export const EXPLICIT_BIG_ENDIAN = '1.2.840.10008.1.2.2';

/** The native ones of the standard, the usual ones first: pixels are as they are, and one can be written in another (PS3.5 A.1 to A.3, A.5). */
export const NATIVE_TRANSFER_SYNTAXES: readonly string[] = [
  EXPLICIT_LITTLE_ENDIAN,
  IMPLICIT_LITTLE_ENDIAN,
  EXPLICIT_BIG_ENDIAN,
  DEFLATED,
];

const ENCAPSULATED_UNCOMPRESSED = '1.2.840.10008.1.2.1.98';
/** Implicit VR Little Endian but for the pixels, which are in big endian. */
export const PRIVATE_GE = '1.2.840.113619.5.2';
/** JPIP, JPIP deflated, JPIP HTJ2K, the same deflated. */
export const JPIP: ReadonlySet<string> = new Set(
  ['94', '95', '204', '205'].map((last) => `1.2.840.10008.1.2.4.${last}`),
);

/** The transfer syntaxes that stores keep images in (PS3.5 annex A, PS3.6 A), the usual ones first. */
export const STORAGE_TRANSFER_SYNTAXES: readonly string[] = [
  EXPLICIT_LITTLE_ENDIAN,
  IMPLICIT_LITTLE_ENDIAN,
  '1.2.840.10008.1.2.4.70', // JPEG Lossless, first-order prediction
  '1.2.840.10008.1.2.4.57', // JPEG Lossless
  '1.2.840.10008.1.2.4.50', // JPEG Baseline
  '1.2.840.10008.1.2.4.51', // JPEG Extended
  '1.2.840.10008.1.2.4.90', // JPEG 2000 lossless
  '1.2.840.10008.1.2.4.91', // JPEG 2000
  '1.2.840.10008.1.2.4.80', // JPEG-LS lossless
  '1.2.840.10008.1.2.4.81', // JPEG-LS near-lossless
  '1.2.840.10008.1.2.5', // RLE
  DEFLATED,
  EXPLICIT_BIG_ENDIAN,
  '1.2.840.10008.1.2.4.92', // JPEG 2000 part 2, lossless
  '1.2.840.10008.1.2.4.93', // JPEG 2000 part 2
  '1.2.840.10008.1.2.4.201', // HTJ2K lossless
  '1.2.840.10008.1.2.4.202', // HTJ2K lossless RPCL
  '1.2.840.10008.1.2.4.203', // HTJ2K
  '1.2.840.10008.1.2.4.100', // MPEG2 main level
  '1.2.840.10008.1.2.4.101', // MPEG2 high level
  '1.2.840.10008.1.2.4.102', // MPEG-4 4.1
  '1.2.840.10008.1.2.4.103', // MPEG-4 4.1 BD
  '1.2.840.10008.1.2.4.104', // MPEG-4 4.2 2D
  '1.2.840.10008.1.2.4.105', // MPEG-4 4.2 3D
  '1.2.840.10008.1.2.4.106', // MPEG-4 4.2 stereo
  '1.2.840.10008.1.2.4.107', // HEVC main
  '1.2.840.10008.1.2.4.108', // HEVC main 10
  '1.2.840.10008.1.2.4.110', // JPEG XL lossless
  '1.2.840.10008.1.2.4.111', // JPEG XL, recompressed JPEG
  '1.2.840.10008.1.2.4.112', // JPEG XL
];

/** Those that are hardly met: retired, private, or for what is no image of one instance. Tried for what came in none of the others. */
export const RARE_TRANSFER_SYNTAXES: readonly string[] = [
  ENCAPSULATED_UNCOMPRESSED,
  '1.2.840.10008.1.2.8.1', // deflated image frames
  PRIVATE_GE,
  ...JPIP,
  ...['100', '101', '102', '103', '104', '105', '106'].map((last) => `1.2.840.10008.1.2.4.${last}.1`), // MPEG in fragments
  ...['52', '53', '54', '55', '56', '58', '59', '60', '61', '62', '63', '64', '65', '66'].map(
    (last) => `1.2.840.10008.1.2.4.${last}`, // retired JPEG
  ),
];

/** Pixel data is compressed, or the whole data set (PS3.5 A.4, A.5). */
export function isCompressed(transferSyntax: string): boolean {
  return ![
    IMPLICIT_LITTLE_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    PRIVATE_GE,
    ENCAPSULATED_UNCOMPRESSED,
  ].includes(transferSyntax);
}

import { encodeElement, encodeHeader, padded, type Encoding } from '../dimse/data-set/encoding.js';
import {
  ITEM,
  ITEM_DELIMITATION,
  SEQUENCE_DELIMITATION,
  UNDEFINED_LENGTH,
} from '../dimse/data-set/element-walker.js';
import type { MethodCode, Profile } from './profile.js';

/** An element that is written into every de-identified data set, in the place of one that is there (PS3.15 E.1.1). */
export interface Mark {
  readonly tag: number;
  encode(encoding: Encoding): Buffer;
}

/**
 * What tells that, and how, a data set was de-identified, in ascending order of tags (PS3.3 C.7.1.1, C.12.1).
 *
 * @param isExamined nothing in its pixels may show what nobody looked for: Patient Identity Removed is YES only then
 */
export function marksOf(profile: Profile, isExamined: boolean): Mark[] {
  return [
    text(0x00120062, 'CS', isExamined ? 'YES' : 'NO'),
    text(0x00120063, 'LO', profile.method.map((one) => one.slice(0, 64)).join('\\')),
    { tag: 0x00120064, encode: (encoding) => codeSequence(0x00120064, profile.methodCodes, encoding) },
    text(0x00280303, 'CS', profile.longitudinal),
  ];
}

function text(tag: number, vr: string, value: string): Mark {
  return {
    tag,
    encode: (encoding) => encodeElement(tag, vr, padded(Buffer.from(value, 'latin1'), vr), encoding),
  };
}

function codeSequence(tag: number, codes: readonly MethodCode[], encoding: Encoding): Buffer {
  const items = codes.flatMap(({ value, meaning }) => [
    encodeHeader(ITEM, '', UNDEFINED_LENGTH, encoding),
    text(0x00080100, 'SH', value).encode(encoding),
    text(0x00080102, 'SH', 'DCM').encode(encoding),
    text(0x00080104, 'LO', meaning.slice(0, 64)).encode(encoding),
    encodeHeader(ITEM_DELIMITATION, '', 0, encoding),
  ]);
  return Buffer.concat([
    encodeHeader(tag, 'SQ', UNDEFINED_LENGTH, encoding),
    ...items,
    encodeHeader(SEQUENCE_DELIMITATION, '', 0, encoding),
  ]);
}

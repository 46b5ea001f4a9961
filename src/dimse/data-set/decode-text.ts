import { withoutPadding, withoutTrailingPadding } from '../../core/padding.js';
import { characterSetsOf } from './character-set-names.js';
import { decodeIso2022, latin1OrUtf8, singleByteSet } from './iso-2022.js';

/** VRs to which Specific Character Set (0008,0005) applies (PS3.5 6.1.2.2). */
const IN_CHARACTER_SET: ReadonlySet<string> = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT']);
/** VRs of one value, in which a backslash is a character and leading spaces mean something (PS3.5 6.2). */
const FREE_TEXT: ReadonlySet<string> = new Set(['LT', 'ST', 'UT', 'UR']);

/** Multi-byte sets that know no code extensions (PS3.3 C.12.1.1.2). */
const WHOLE_SETS: ReadonlyMap<string, string> = new Map([
  ['ISO_IR 192', 'utf-8'],
  ['GB18030', 'gb18030'],
  ['GBK', 'gbk'],
]);

/**
 * The text of a value in a text VR (PS3.5 6.2): in Unicode, several values joined by a backslash, padding taken off.
 *
 * All character sets of PS3.3 C.12.1.1.2 are read, code extensions too. Bytes above 127 in a data set that names no
 * set, or one that nobody knows, are against the standard but met in practice: they are read as UTF-8 where they are
 * UTF-8, as Latin-1 otherwise. Nothing is thrown: what can't be decoded becomes U+FFFD.
 *
 * @param specificCharacterSet the value of (0008,0005), empty where there is none
 */
export function decodeText(bytes: Buffer, vr: string, specificCharacterSet: string): string {
  const text = IN_CHARACTER_SET.has(vr) ? decode(bytes, vr, specificCharacterSet) : bytes.toString('latin1');
  if (FREE_TEXT.has(vr)) return withoutTrailingPadding(text);
  return text
    .split('\\')
    .map((value) => withoutPadding(value))
    .join('\\');
}

function decode(bytes: Buffer, vr: string, specificCharacterSet: string): string {
  if (bytes.every((byte) => byte < 0x80 && byte !== 0x1b)) return bytes.toString('latin1');
  const sets = characterSetsOf(specificCharacterSet);
  const whole = WHOLE_SETS.get(sets[0] ?? '');
  if (whole !== undefined) return new TextDecoder(whole).decode(bytes);
  if (sets.length > 1 || sets[0]?.startsWith('ISO 2022') === true) return decodeIso2022(bytes, vr, sets);
  return singleByteSet(sets[0] ?? '')?.(bytes) ?? latin1OrUtf8(bytes);
}

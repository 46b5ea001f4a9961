import { InvalidValueError } from '../../core/errors.js';
import { characterSetsOf } from './character-set-names.js';
import { MAX_SHORT_FORM_LENGTH } from './encoding.js';

const PADDING = Buffer.from(' ', 'latin1');

/**
 * Encodes a value of VR LO in the first of a data set's character sets (PS3.3 C.12.1.1.2, PS3.5 6.1): UTF-8 for
 * ISO_IR 192, Latin-1 for ISO_IR 100, ASCII for all others, whose upper halves we don't know. What can't be
 * written so, and control characters, which LO may not hold, become `?`. Padded to even length with a space.
 *
 * @param specificCharacterSet the value of (0008,0005), empty where there is none
 * @param lacking letters with accents may lose them instead, so that a name has the same letters in every character set
 * @throws InvalidValueError when it is longer than a data element can be; LO's own limit is left to the receiver
 */
export function encodeText(
  field: string,
  text: string,
  specificCharacterSet: string,
  lacking: 'question-marks' | 'without-accents' = 'question-marks',
): Buffer {
  const value = encode(text, specificCharacterSet, lacking === 'without-accents');
  if (value.length > MAX_SHORT_FORM_LENGTH) throw new InvalidValueError(field, 'too long for a data element');
  return value.length % 2 === 0 ? value : Buffer.concat([value, PADDING]);
}

function encode(text: string, specificCharacterSet: string, withoutAccents: boolean): Buffer {
  if (/^[\x20-\x7e]*$/.test(text)) return Buffer.from(text, 'latin1');
  const inSet = (form: string, set: RegExp): Buffer =>
    Buffer.from(
      form.replace(set, (character) => (withoutAccents ? plain(character) : '?')),
      'latin1',
    );
  // Of several values the first is the one in force before any escape sequence (PS3.5 6.1.2.5.3).
  switch (characterSetsOf(specificCharacterSet)[0]) {
    case 'ISO_IR 192':
      return Buffer.from(text.replace(/\p{Cc}/gu, '?'), 'utf8');
    case 'ISO_IR 100':
    case 'ISO 2022 IR 100':
      return inSet(text.normalize('NFC'), /[^\x20-\x7e\xa0-\xff]/gu);
    default:
      return inSet(withoutAccents ? text.normalize('NFC') : text, /[^\x20-\x7e]/gu);
  }
}

function plain(character: string): string {
  const letters = character.normalize('NFKD').replace(/\p{M}/gu, '');
  return /^[\x20-\x7e]+$/.test(letters) ? letters : '?';
}

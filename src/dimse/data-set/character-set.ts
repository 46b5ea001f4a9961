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
 * @throws InvalidValueError when it is longer than a data element can be; LO's own limit is left to the receiver
 */
export function encodeText(field: string, text: string, specificCharacterSet: string): Buffer {
  const value = encode(text, specificCharacterSet);
  if (value.length > MAX_SHORT_FORM_LENGTH) throw new InvalidValueError(field, 'too long for a data element');
  return value.length % 2 === 0 ? value : Buffer.concat([value, PADDING]);
}

function encode(text: string, specificCharacterSet: string): Buffer {
  if (/^[\x20-\x7e]*$/.test(text)) return Buffer.from(text, 'latin1');
  // Of several values the first is the one in force before any escape sequence (PS3.5 6.1.2.5.3).
  switch (characterSetsOf(specificCharacterSet)[0]) {
    case 'ISO_IR 192':
      return Buffer.from(text.replace(/\p{Cc}/gu, '?'), 'utf8');
    case 'ISO_IR 100':
    case 'ISO 2022 IR 100':
      return Buffer.from(text.normalize('NFC').replace(/[^\x20-\x7e\xa0-\xff]/gu, '?'), 'latin1');
    default:
      return Buffer.from(text.replace(/[^\x20-\x7e]/gu, '?'), 'latin1');
  }
}

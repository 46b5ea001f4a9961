import { characterSetsOf } from '../dimse/data-set/character-set-names.js';
import { MAX_SHORT_FORM_LENGTH, padded, SHORT_FORM_VRS } from '../dimse/data-set/encoding.js';

/** What may stand in a text of several lines (PS3.5 6.1.3), and letters by the set that they are written in. */
const UNWRITABLE: Readonly<Record<'utf-8' | 'latin-1' | 'ascii', RegExp>> = {
  'utf-8': /(?![\t\n\f\r])\p{Cc}/gu,
  'latin-1': /[^\t\n\f\r\x20-\x7e\xa0-\xff]/gu,
  ascii: /[^\t\n\f\r\x20-\x7e]/gu,
};

/**
 * Encodes a text of which a part was replaced: in UTF-8 or Latin-1 where the data set has that, in ASCII otherwise. What can't be
 * written so becomes `?`; what a data element of the VR can't hold is cut off. Of even length.
 *
 * @param specificCharacterSet the value of (0008,0005), empty where there is none
 */
export function rewrittenText(text: string, vr: string, specificCharacterSet: string): Buffer {
  const [set = ''] = characterSetsOf(specificCharacterSet);
  const kind = set === 'ISO_IR 192' ? 'utf-8' : /^ISO(_| 2022 )IR 100$/.test(set) ? 'latin-1' : 'ascii';
  const written = text.normalize('NFC').replace(UNWRITABLE[kind], '?');
  const bytes = Buffer.from(written, kind === 'utf-8' ? 'utf8' : 'latin1');
  return padded(SHORT_FORM_VRS.has(vr) ? bytes.subarray(0, MAX_SHORT_FORM_LENGTH) : bytes, vr);
}

import { dateTimeMatcher } from './date-time.js';
import { personNameMatcher } from './person-name.js';
import { hasWildCard, wildCardMatcher } from './wild-card.js';

/** Whether one value of a stored attribute, not empty, is what a key asks for. */
type ValueMatcher = (value: string) => boolean;

/** The value of a key is none that its VR can be asked for with. The text says what is wrong, not the value. */
export class KeyError extends Error {}

/** VRs that a wild card means something in (PS3.4 C.2.2.2.4). */
const WILD_CARD_VRS: ReadonlySet<string> = new Set('AE CS LO LT PN SH ST UC UR UT'.split(' '));
/** Wild cards cost key times value for each entity, so a key has to end somewhere; lists of UIDs cost nothing. */
const MAX_KEY_LENGTH = 1024;
/** VRs of one value, which a backslash does not divide (PS3.5 6.2). */
const SINGLE_VALUED: ReadonlySet<string> = new Set(['LT', 'ST', 'UR', 'UT']);
const NUMERIC: ReadonlySet<string> = new Set('DS FD FL IS SL SS UL US'.split(' '));

/** The values of an attribute: as many as there are backslashes and one more; none when it is empty. */
export function valuesOf(text: string, vr: string): string[] {
  if (text === '') return [];
  return SINGLE_VALUED.has(vr) || !text.includes('\\')
    ? [text]
    : text.split('\\').filter((value) => value !== '');
}

/**
 * Compiles the value of a key (PS3.4 C.2.2.2). Of several values in a key, as in a list of UIDs (C.2.2.2.2), any may
 * match; of several stored values, too (C.2.2.3). What is stored without a value is not known and matches any key
 * (C.2.2.1.2, C.2.2.1.3).
 *
 * @param text as decodeText gives it
 * @returns null for universal matching (C.2.2.2.3)
 * @throws KeyError
 */
export function matcherOf(vr: string, text: string): ((stored: string) => boolean) | null {
  const keys = valuesOf(text, vr);
  if (keys.length === 0) return null;
  if (vr !== 'UI' && text.length > MAX_KEY_LENGTH) throw new KeyError('too long');
  const matchers = vr === 'UI' ? [listMatcher(keys)] : keys.map((key) => valueMatcher(vr, key));
  return (stored) => {
    const values = valuesOf(stored, vr);
    return values.length === 0 || values.some((value) => matchers.some((matches) => matches(value)));
  };
}

function listMatcher(keys: readonly string[]): ValueMatcher {
  if (keys.some(hasWildCard)) throw new KeyError('wild card in a UID');
  const uids = new Set(keys);
  return (uid) => uids.has(uid);
}

function valueMatcher(vr: string, key: string): ValueMatcher {
  if (vr === 'PN') return personNameMatcher(key);
  if (vr === 'DA' || vr === 'TM' || vr === 'DT') {
    const matches = dateTimeMatcher(vr, key);
    if (matches === null) throw new KeyError(`neither a value of VR ${vr} nor a range`);
    return matches;
  }
  if (NUMERIC.has(vr)) {
    const number = Number(key);
    if (Number.isNaN(number)) throw new KeyError(`not a number (VR ${vr})`);
    return (value) => Number(value) === number;
  }
  // The same character may be one code point or two.
  const wanted = key.normalize('NFC');
  if (WILD_CARD_VRS.has(vr) && hasWildCard(wanted)) {
    const matches = wildCardMatcher(wanted);
    return (value) => matches(value.normalize('NFC'));
  }
  return (value) => value.normalize('NFC') === wanted;
}

import type { Identity } from './identity.js';

/** A value that was looked for. */
interface Needle {
  /** Folded: small letters and digits alone, without accents. */
  readonly folded: string;
  /** Too short to be looked for inside of words. */
  readonly wholeWord: boolean;
  /** Part of a name, and no number, date or UID. */
  readonly isName: boolean;
}

/** Shorter values are found as whole words alone. */
const MIN_SUBSTRING = 4;
/** Scripts that put no spaces between words, and say much in two characters. */
const WITHOUT_SPACES =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]/u;
/** A single letter, an initial say, tells nobody. */
const MIN_LENGTH = 2;

/** What stands where a value was found. */
const REPLACEMENT = '***';

/**
 * Looks for the patient's own values in what is about to be written: MRN, accession number, other IDs, names (each part by
 * itself), birth date, and the UIDs of study, series and instance. Case, accents, padding and separators make no difference.
 */
export class ResidualCheck {
  readonly #needles: readonly Needle[];

  constructor(identity: Identity) {
    const { names, numbers, birthDates, studyInstanceUid, seriesInstanceUid, sopInstanceUid } = identity;
    const others = [...numbers, ...birthDates, studyInstanceUid, seriesInstanceUid, sopInstanceUid];
    const needles = new Map<string, Needle>();
    for (const part of names.flatMap(namePartsOf)) addNeedle(needles, part, true);
    for (const value of others) addNeedle(needles, value, false);
    this.#needles = [...needles.values()].sort((one, other) => other.folded.length - one.folded.length);
  }

  /**
   * Whether one of the values is in a code. Parts of names that are too short to be looked for inside of words are not looked for
   * at all: codes are made of a few letters themselves, and somebody called Ng or Ob would have no images.
   */
  findsInCode(text: string): boolean {
    return (
      this.#spans(
        text,
        this.#needles.filter(({ isName, wholeWord }) => !isName || !wholeWord),
      ).length > 0
    );
  }

  /** Whether the text is one of the values: for numbers and codes, in which four digits may stand for anything. */
  equals(text: string): boolean {
    const { text: folded } = fold(text);
    return this.#needles.some((needle) => !needle.wholeWord && needle.folded === folded);
  }

  /** The text with what was found replaced; null when nothing was. */
  replaced(text: string): string | null {
    const spans = this.#spans(text);
    if (spans.length === 0) return null;
    let result = '';
    let from = 0;
    for (const [start, end] of spans) {
      result += text.slice(from, start) + REPLACEMENT;
      from = end;
    }
    return result + text.slice(from);
  }

  /** Where the values are, in ascending order, without overlaps. */
  #spans(text: string, needles = this.#needles): [number, number][] {
    const quick = quickFold(text);
    if (quick !== null && !needles.some((needle) => quick.includes(needle.folded))) return [];
    const { text: folded, at, words } = fold(text);
    const spans: [number, number][] = [];
    for (const { folded: needle, wholeWord } of needles)
      for (let found = folded.indexOf(needle); found >= 0; found = folded.indexOf(needle, found + 1)) {
        const end = found + needle.length;
        if (wholeWord && !(words.has(found) && (end === folded.length || words.has(end)))) continue;
        spans.push([at[found] ?? 0, (at[end - 1] ?? 0) + 1]);
      }
    return merged(spans);
  }
}

/** Family, given and middle name of each of a name's forms; titles before and behind are everybody's (PS3.5 6.2.1). */
function namePartsOf(name: string): string[] {
  return name.split('=').flatMap((form) => form.split('^').slice(0, 3));
}

function addNeedle(needles: Map<string, Needle>, value: string, isName: boolean): void {
  const { text: folded } = fold(value);
  if (folded.length < MIN_LENGTH) return;
  const wholeWord = folded.length < MIN_SUBSTRING && !WITHOUT_SPACES.test(folded);
  needles.set(folded, { folded, wholeWord, isName });
}

interface Folded {
  readonly text: string;
  /** For each character of it where it came from. */
  readonly at: readonly number[];
  /** Where words begin, in the folded text. */
  readonly words: ReadonlySet<number>;
}

/** The same text as {@link fold} gives, of ASCII; null for other text. Most values are of ASCII and hold nothing. */
function quickFold(text: string): string | null {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(text) ? text.toLowerCase().replace(/[^a-z0-9]+/g, '') : null;
}

const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

function fold(text: string): Folded {
  let folded = '';
  const at: number[] = [];
  const words = new Set<number>();
  let inWord = false;
  for (let index = 0; index < text.length; index += 1) {
    const plain = text.charAt(index).normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '');
    if (plain === '') continue; // a combining mark by itself ends no word
    if (!LETTER_OR_DIGIT.test(plain)) {
      inWord = false;
      continue;
    }
    if (!inWord) words.add(folded.length);
    inWord = true;
    for (const letter of plain) {
      folded += letter;
      at.push(index);
    }
  }
  return { text: folded, at, words };
}

function merged(spans: [number, number][]): [number, number][] {
  const result: [number, number][] = [];
  for (const [start, end] of spans.sort(([one], [other]) => one - other)) {
    const last = result.at(-1);
    if (last !== undefined && start < last[1]) last[1] = Math.max(last[1], end);
    else result.push([start, end]);
  }
  return result;
}

import { withoutPadding } from './padding.js';

/** What identifies a study to whoever has the archives. */
export interface OriginalIdentifiers {
  readonly mrns: readonly string[];
  readonly accessionNumbers: readonly string[];
  readonly studyUids: readonly string[];
  /** Whether this is the SOP Instance UID of an image as the archives have it. */
  readonly hasInstance: (sopInstanceUid: string) => boolean;
}

export type FoundIdentifier = 'MRN' | 'accession number' | 'Study Instance UID' | 'SOP Instance UID';

/** As what a text is to be read; `bytes` are whatever can be printed of a value that is no text. */
export type SearchedKind = 'text' | 'number' | 'uid' | 'bytes';

/** Shorter values are found as whole words alone. */
const MIN_SUBSTRING = 4;
/** A single character is found only where nothing else stands. */
const MIN_WORD = 2;

interface Needle {
  readonly what: FoundIdentifier;
  /** Small letters and digits alone, without accents. */
  readonly folded: string;
  /** The same without zeros in front, which archives add and lose. */
  readonly bare: string;
}

/**
 * Looks in texts for a study's original identifiers. Of MRNs and accession numbers case, accents, width, separators and
 * zeros in front make no difference; values of less than 4 characters are found as whole words alone. In UIDs and numbers
 * they are found as whole values, or whole components: any few digits stand in some long number by chance. UIDs are found
 * whole, and a Study Instance UID also at the beginning of a longer UID.
 */
export class IdentifierSearch {
  readonly #needles: readonly Needle[];
  readonly #studyUids: readonly string[];
  readonly #hasInstance: (uid: string) => boolean;

  constructor({ mrns, accessionNumbers, studyUids, hasInstance }: OriginalIdentifiers) {
    this.#needles = [...needlesOf('MRN', mrns), ...needlesOf('accession number', accessionNumbers)];
    this.#studyUids = [...new Set(studyUids.map(withoutPadding))].filter((uid) => uid !== '');
    this.#hasInstance = hasInstance;
  }

  /** What was found first; null = nothing. */
  find(text: string, kind: SearchedKind): FoundIdentifier | null {
    return this.#instanceIn(text, kind) ?? this.#uidIn(text) ?? this.#needleIn(text, kind);
  }

  #uidIn(text: string): FoundIdentifier | null {
    for (const uid of this.#studyUids)
      for (let at = text.indexOf(uid); at >= 0; at = text.indexOf(uid, at + 1)) {
        const [before, after] = [text[at - 1] ?? '', text[at + uid.length] ?? ''];
        if (!/[\d.]/.test(before) && !/\d/.test(after)) return 'Study Instance UID';
      }
    return null;
  }

  #instanceIn(text: string, kind: SearchedKind): FoundIdentifier | null {
    const uids = kind === 'uid' ? text.split('\\') : (text.match(/[\w.-]{5,128}/g) ?? []);
    for (const uid of uids) {
      const whole = withoutPadding(kind === 'uid' ? uid : withoutDots(uid));
      if ((kind === 'uid' || whole.includes('.')) && this.#hasInstance(whole)) return 'SOP Instance UID';
    }
    return null;
  }

  #needleIn(text: string, kind: SearchedKind): FoundIdentifier | null {
    if (this.#needles.length === 0) return null;
    if (kind === 'uid' || kind === 'number') return this.#wholeIn(text);
    if (kind === 'bytes') return first(text.split('\n'), (run) => this.#partOf(run, MIN_SUBSTRING));
    return this.#partOf(text, 1);
  }

  /** In numbers and UIDs: a value, or a component of one. */
  #wholeIn(text: string): FoundIdentifier | null {
    const parts = text.split('\\').flatMap((value) => [value, ...value.split(/[.\s]/)]);
    return first(parts, (part) => {
      const folded = fold(part);
      const found = this.#needles.find(
        (needle) => needle.folded.length >= MIN_SUBSTRING && isSame(needle, folded),
      );
      return found?.what ?? null;
    });
  }

  #partOf(text: string, shortest: number): FoundIdentifier | null {
    const folded = fold(text);
    if (folded === '') return null;
    let words: readonly string[] | undefined;
    for (const needle of this.#needles) {
      const { length } = needle.folded;
      if (length < shortest) continue;
      if (length >= MIN_SUBSTRING && folded.includes(needle.folded)) return needle.what;
      if (folded === needle.folded) return needle.what;
      if (length < MIN_WORD || !folded.includes(needle.bare)) continue;
      words ??= wordsOf(text);
      if (words.some((word) => isSame(needle, word))) return needle.what;
    }
    return null;
  }
}

function first<T>(parts: readonly T[], find: (part: T) => FoundIdentifier | null): FoundIdentifier | null {
  for (const part of parts) {
    const found = find(part);
    if (found !== null) return found;
  }
  return null;
}

function needlesOf(what: FoundIdentifier, values: readonly string[]): Needle[] {
  const folded = new Set(values.map(fold).filter((value) => value !== ''));
  return [...folded].map((value) => ({ what, folded: value, bare: withoutZeros(value) }));
}

function isSame({ folded, bare }: Needle, word: string): boolean {
  return word === folded || (bare.length >= MIN_SUBSTRING && withoutZeros(word) === bare);
}

/** A UID that ends a sentence. */
function withoutDots(text: string): string {
  let end = text.length;
  while (text.charAt(end - 1) === '.') end -= 1;
  return text.slice(0, end);
}

function withoutZeros(text: string): string {
  return text.replace(/^0+(?=.)/, '');
}

function wordsOf(text: string): string[] {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}

function fold(text: string): string {
  // Most values are of ASCII.
  if (/^[\x20-\x7e]*$/.test(text)) return text.toLowerCase().replace(/[^a-z0-9]+/g, '');
  return wordsOf(text).join('');
}

import { inflateRawSync } from 'node:zlib';
import { HTML_ENTITIES, TRANSLITERATIONS } from './transliterations.js';

/**
 * A name as Python's `slugify` makes it (python-slugify 8.0.4 on text-unidecode, with its defaults): ASCII letters in lower
 * case, digits, and single hyphens between them. Empty when nothing of the name is left. PIXL's tables and folders know
 * a project by it.
 */
export function slugify(name: string): string {
  const ascii = transliterated(name.replace(/'+/g, '-').normalize('NFKD'));
  return withReferences(ascii)
    .normalize('NFKD')
    .toLowerCase()
    .replace(/'+/g, '')
    .replace(/(?<=\d),(?=\d)/g, '')
    .replace(/[^-a-z0-9]+/g, '-')
    .replace(/-{2,}/g, '-')
    .replace(/^-|-$/g, '');
}

/** What has no transliteration, like all beyond U+FFFF, is left out. */
function transliterated(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text;
  let ascii = '';
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    ascii += point < 0x80 ? character : (transliterations()[point - 0x80] ?? '');
  }
  return ascii;
}

/** Character references of HTML: named ones, then decimal, then hexadecimal ones, so `&amp;#65;` is an A. */
function withReferences(text: string): string {
  if (!text.includes('&')) return text;
  const named = text.replace(/&(\w+);/g, (whole, name: string) => {
    const point = entities().get(name);
    return point === undefined ? whole : String.fromCodePoint(point);
  });
  return withNumbers(withNumbers(named, /&#(\d+);/g, 10), /&#x([\da-fA-F]+);/g, 16);
}

/** One number that is no code point leaves all of its kind as they are. */
function withNumbers(text: string, pattern: RegExp, radix: number): string {
  const points = [...text.matchAll(pattern)].map(([, digits = '']) => Number.parseInt(digits, radix));
  if (points.some((point) => point > 0x10ffff)) return text;
  return text.replace(pattern, () => String.fromCodePoint(points.shift() ?? 0));
}

let texts: readonly string[] | undefined;

function transliterations(): readonly string[] {
  texts ??= inflateRawSync(Buffer.from(TRANSLITERATIONS, 'base64')).toString('ascii').split('\0');
  return texts;
}

let points: ReadonlyMap<string, number> | undefined;

function entities(): ReadonlyMap<string, number> {
  points ??= new Map(
    HTML_ENTITIES.split(' ').map((entry) => {
      const [name = '', point = ''] = entry.split('=');
      return [name, Number.parseInt(point, 16)];
    }),
  );
  return points;
}

import { InvalidValueError } from './errors.js';

/** Deeper than any document that we read; nesting costs the reader time and memory. */
const MAX_DEPTH = 32;

/** Keys with a meaning of their own in JavaScript objects; no honest document has them. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** What `parseStrictJson` may be told besides. */
export interface StrictJsonOptions {
  /**
   * How many values the document may hold, keys not counted. A million of the smallest ones take few bytes and
   * hundreds of times as much memory, so a reader of large documents says how many an honest one has.
   */
  readonly maxValues?: number;
}

/**
 * Parses JSON whose meaning is the same for every reader: UTF-8, no key twice in an object (readers differ in
 * which one they take), no key that touches JavaScript's prototypes.
 *
 * @param name what the text is, for the error.
 * @throws InvalidValueError; its text quotes nothing of the document.
 */
export function parseStrictJson(name: string, bytes: Uint8Array, options: StrictJsonOptions = {}): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InvalidValueError(name, 'not UTF-8');
  }
  // Before the parsing, which would build all of it first.
  checkSize(name, bytes, options.maxValues ?? Infinity);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidValueError(name, 'not JSON');
  }
  checkKeys(name, text);
  return value;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/** Counts brackets and commas outside strings; in UTF-8 none of these bytes is ever part of another character. */
function checkSize(name: string, bytes: Uint8Array, maxValues: number): void {
  let [depth, values] = [0, 1];
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      values += 1;
      if (depth > MAX_DEPTH) throw new InvalidValueError(name, `nested deeper than ${MAX_DEPTH} levels`);
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
    else if (byte === COMMA) values += 1;
    if (values > maxValues) throw new InvalidValueError(name, `more than ${maxValues} values`);
  }
}

/** Walks the tokens of a text that JSON.parse has accepted, so that strings and brackets are known to be sound. */
function checkKeys(name: string, text: string): void {
  // One entry per open bracket: the keys seen so far, or null in an array.
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const token = text[at];
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === '"') {
      const end = endOfString(text, at);
      if (isFollowedByColon(text, end)) checkKey(name, String(JSON.parse(text.slice(at, end))), open.at(-1));
      at = end - 1;
    }
  }
}

/** Where the string that begins at `start` is over, its closing quote included. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

function isFollowedByColon(text: string, start: number): boolean {
  let at = start;
  while (' \t\n\r'.includes(text.charAt(at)) && at < text.length) at += 1;
  return text[at] === ':';
}

function checkKey(name: string, key: string, seen: Set<string> | null | undefined): void {
  if (FORBIDDEN_KEYS.has(key)) throw new InvalidValueError(name, 'holds a key that is not allowed');
  if (seen?.has(key) === true) throw new InvalidValueError(name, 'holds a key twice');
  seen?.add(key);
}

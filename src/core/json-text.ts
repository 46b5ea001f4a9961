import { InvalidValueError } from './errors.js';

/** Deeper than any document that we read; nesting costs the reader time and memory. */
const MAX_DEPTH = 32;

/** Keys with a meaning of their own in JavaScript objects; no honest document has them. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Parses JSON whose meaning is the same for every reader: UTF-8, no key twice in an object (readers differ in
 * which one they take), no key that touches JavaScript's prototypes.
 *
 * @param name what the text is, for the error.
 * @throws InvalidValueError; its text quotes nothing of the document.
 */
export function parseStrictJson(name: string, bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InvalidValueError(name, 'not UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidValueError(name, 'not JSON');
  }
  checkKeys(name, text);
  return value;
}

/** Walks the tokens of a text that JSON.parse has accepted, so that strings and brackets are known to be sound. */
function checkKeys(name: string, text: string): void {
  // One entry per open bracket: the keys seen so far, or null in an array.
  const open: (Set<string> | null)[] = [];
  for (const [token, string, colon] of text.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : null);
      if (open.length > MAX_DEPTH)
        throw new InvalidValueError(name, `nested deeper than ${MAX_DEPTH} levels`);
    } else if (token === '}' || token === ']') open.pop();
    else if (string !== undefined && colon !== undefined)
      checkKey(name, String(JSON.parse(string)), open.at(-1));
  }
}

function checkKey(name: string, key: string, seen: Set<string> | null | undefined): void {
  if (FORBIDDEN_KEYS.has(key)) throw new InvalidValueError(name, 'holds a key that is not allowed');
  if (seen?.has(key) === true) throw new InvalidValueError(name, 'holds a key twice');
  seen?.add(key);
}

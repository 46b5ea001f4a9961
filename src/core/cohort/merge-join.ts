import { TAB } from './tabbed.js';

/** A line for sorting and joining: the key and the value's fields, parted by tabs. */
export function keyedLine(key: number, ...values: readonly (string | null)[]): string {
  // Flat, where a template would be a tree of texts until the sort looks at it.
  return [String(key).padStart(KEY_LENGTH, '0'), ...values].join(TAB);
}

/** Digits of 2^53: keys that are not negative are in the order of their numbers. */
const KEY_LENGTH = 16;

/** The number that a key was made of; a negative one's sign stands behind the zeros. */
export function numberOf(key: string): number {
  return Number(key.slice(Math.max(0, key.indexOf('-'))));
}

interface Keyed {
  readonly key: string;
  readonly value: string;
}

/**
 * The inner join of lines that are sorted. Every pair with equal keys comes once, and with it the key (`numberOf`).
 *
 * @param alone is called with the value of each line of the right that has no match
 */
export function* mergeJoin(
  left: Iterable<string>,
  right: Iterable<string>,
  alone: (right: string) => void = () => undefined,
): Generator<readonly [left: string, right: string, key: string], void, undefined> {
  const others = right[Symbol.iterator]();
  let other = nextOf(others);
  let group: { readonly key: string; readonly values: string[] } = { key: '', values: [] };
  for (const line of left) {
    const { key, value } = keyedOf(line);
    if (key !== group.key) {
      for (; other !== undefined && other.key < key; other = nextOf(others)) alone(other.value);
      group = { key, values: [] };
      for (; other !== undefined && other.key === key; other = nextOf(others)) group.values.push(other.value);
    }
    for (const match of group.values) yield [value, match, key];
  }
  for (; other !== undefined; other = nextOf(others)) alone(other.value);
}

function nextOf(lines: Iterator<string>): Keyed | undefined {
  const next = lines.next();
  return next.done === true ? undefined : keyedOf(next.value);
}

function keyedOf(line: string): Keyed {
  const end = line.indexOf(TAB);
  return { key: line.slice(0, end), value: line.slice(end + 1) };
}

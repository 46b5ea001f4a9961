/** A line for sorting and joining: the key, a blank, the value as JSON. */
export function keyedLine(key: number, value: unknown): string {
  return joinLine(key, JSON.stringify(value));
}

/** The same of a value that is JSON already. */
export function joinLine(key: number, json: string): string {
  return `${String(key).padStart(KEY_LENGTH, '0')} ${json}`;
}

/** Digits of 2^53: keys that are not negative are in the order of their numbers. */
const KEY_LENGTH = 16;

interface Keyed {
  readonly key: string;
  readonly value: string;
}

/**
 * The inner join of lines that are sorted. Every pair with equal keys comes once, as JSON texts; what one side lacks is
 * left out.
 */
export function* mergeJoin(
  left: Iterable<string>,
  right: Iterable<string>,
): Generator<readonly [left: string, right: string], void, undefined> {
  const others = right[Symbol.iterator]();
  let other = nextOf(others);
  let group: { readonly key: string; readonly values: string[] } = { key: '', values: [] };
  for (const line of left) {
    const { key, value } = keyedOf(line);
    if (key !== group.key) {
      while (other !== undefined && other.key < key) other = nextOf(others);
      group = { key, values: [] };
      for (; other !== undefined && other.key === key; other = nextOf(others)) group.values.push(other.value);
    }
    for (const match of group.values) yield [value, match];
  }
}

function nextOf(lines: Iterator<string>): Keyed | undefined {
  const next = lines.next();
  return next.done === true ? undefined : keyedOf(next.value);
}

function keyedOf(line: string): Keyed {
  const blank = line.indexOf(' ');
  return { key: line.slice(0, blank), value: line.slice(blank + 1) };
}

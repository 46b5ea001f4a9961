/** What a JSON value looks like: a type, one of several, a list, or an object with just these keys. */
export type Shape =
  | 'string'
  | 'number'
  | 'boolean'
  | 'null'
  | { readonly anyOf: readonly Shape[] }
  | { readonly listOf: Shape }
  /** A list that may be empty. */
  | { readonly anyNumberOf: Shape }
  /** Any keys; their values alike. */
  | { readonly mapOf: Shape }
  | { readonly keys: Readonly<Record<string, Shape>> };

export const orNull = (shape: Shape): Shape => ({ anyOf: [shape, 'null'] });

/** Where a value is not of the shape; empty when it is. An empty `listOf` is a fault: it shows nothing. */
export function shapeFaults(value: unknown, shape: Shape, at = '$'): string[] {
  if (typeof shape === 'string') {
    const is = value === null ? 'null' : typeof value;
    return is === shape ? [] : [`${at}: ${is}, expected ${shape}`];
  }
  if ('anyOf' in shape) {
    const faults = shape.anyOf.map((each) => shapeFaults(value, each, at));
    return faults.some((each) => each.length === 0) ? [] : (faults[0] ?? []);
  }
  if ('listOf' in shape) {
    if (!Array.isArray(value)) return [`${at}: no list`];
    if (value.length === 0) return [`${at}: an empty list`];
    return value.flatMap((each, index) => shapeFaults(each, shape.listOf, `${at}[${index}]`));
  }
  if ('anyNumberOf' in shape)
    return Array.isArray(value) && value.length === 0
      ? []
      : shapeFaults(value, { listOf: shape.anyNumberOf }, at);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at}: no object`];
  const given = value as Readonly<Record<string, unknown>>;
  if ('mapOf' in shape)
    return Object.entries(given).flatMap(([key, each]) => shapeFaults(each, shape.mapOf, `${at}.${key}`));
  const names = new Set([...Object.keys(given), ...Object.keys(shape.keys)]);
  return [...names].flatMap((name) => {
    const expected = shape.keys[name];
    if (expected === undefined) return [`${at}.${name}: not expected`];
    return Object.hasOwn(given, name)
      ? shapeFaults(given[name], expected, `${at}.${name}`)
      : [`${at}.${name}: lacking`];
  });
}

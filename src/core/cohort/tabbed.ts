/** Parts the fields of a line. */
export const TAB = '\t';

/** Before a text that is written as JSON. */
const ESCAPED = '\\';

/** Any text as a field of a line: it holds no tab and no line feed then. A cohort's own texts hardly ever need it. */
export function fieldOf(text: string): string {
  return /\p{Cc}/u.test(text) || text.startsWith(ESCAPED) ? ESCAPED + JSON.stringify(text) : text;
}

/** The text that a field was made of. */
export function textOf(field: string): string {
  return field.startsWith(ESCAPED) ? (JSON.parse(field.slice(1)) as string) : field;
}

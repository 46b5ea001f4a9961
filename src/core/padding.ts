// Loops, and no `/[\0 ]+$/`: that tries again at each space of a run, so that 1 MiB of them would take twenty minutes.

/** The text without the NULs and spaces at its end (PS3.5 6.2). */
export function withoutTrailingPadding(text: string): string {
  let end = text.length;
  while (end > 0 && isPadding(text, end - 1)) end -= 1;
  return text.slice(0, end);
}

/** Leading and trailing spaces mean nothing in the VRs that are matched on (PS3.5 6.2); UIDs end in NUL. */
export function withoutPadding(text: string): string {
  const trimmed = withoutTrailingPadding(text);
  let start = 0;
  while (start < trimmed.length && isPadding(trimmed, start)) start += 1;
  return trimmed.slice(start);
}

function isPadding(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0 || code === 0x20;
}

/** VR LO (PS3.5 6.2). */
const MAX_LENGTH = 64;

/** A text as an Error Comment (0000,0902) can hold it (PS3.7 annex C): the beginning of a longer one. */
export function errorComment(text: string): string {
  return text.slice(0, MAX_LENGTH);
}

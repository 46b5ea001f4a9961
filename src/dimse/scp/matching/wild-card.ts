/** Whether a key has wild cards (PS3.4 C.2.2.2.4). */
export function hasWildCard(text: string): boolean {
  return /[*?]/.test(text);
}

/**
 * Wild card matching (PS3.4 C.2.2.2.4): `*` stands for any characters, none too, `?` for exactly one (of Unicode).
 * Takes at most pattern × text steps, whatever the pattern is.
 */
export function wildCardMatcher(pattern: string): (text: string) => boolean {
  const wanted = Array.from(pattern);
  return (text) => {
    const given = Array.from(text);
    let at = 0;
    let w = 0;
    /** Behind the last `*`, and how far it has eaten. */
    let star = -1;
    let eaten = 0;
    while (at < given.length) {
      if (wanted[w] === '*') {
        w += 1;
        star = w;
        eaten = at;
      } else if (w < wanted.length && (wanted[w] === '?' || wanted[w] === given[at])) {
        w += 1;
        at += 1;
      } else if (star >= 0) {
        eaten += 1;
        at = eaten;
        w = star;
      } else return false;
    }
    while (wanted[w] === '*') w += 1;
    return w === wanted.length;
  };
}

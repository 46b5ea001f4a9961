import { hasWildCard, wildCardMatcher } from './wild-card.js';

/** PS3.5 6.2.1: family, given, middle, prefix, suffix. */
const COMPONENTS = 5;

/**
 * Matches names of persons (VR PN): without regard to case, accents and width of characters, as PS3.4 C.2.2.2.1.1
 * allows. Each component group is matched on its own (PS3.5 6.2.1.2): a key of one group matches a name of which any
 * group matches; in a key of several, each that is not empty must match its counterpart. Delimiters of empty
 * components at the end mean nothing.
 */
export function personNameMatcher(key: string): (name: string) => boolean {
  const groups = key.split('=').map(groupMatcher);
  const [only] = groups;
  if (groups.length === 1 && only !== undefined && only !== null)
    return (name) => name.split('=').some((group) => only(group));
  return (name) => {
    const given = name.split('=');
    return groups.every((matches, index) => matches === null || matches(given[index] ?? ''));
  };
}

/** Null for an empty group, which everything matches. */
function groupMatcher(key: string): ((group: string) => boolean) | null {
  const wanted = folded(key);
  if (wanted === '') return null;
  if (!hasWildCard(wanted)) return (group) => folded(group) === wanted;
  const matches = wildCardMatcher(wanted);
  return (group) => {
    const name = folded(group);
    // `Doe^*` shall find a name of which only the family name is known.
    const missing = COMPONENTS - name.split('^').length;
    return matches(name) || (missing > 0 && matches(name + '^'.repeat(missing)));
  };
}

/** Only the marks that Latin, Greek and Cyrillic letters carry go: of kana they make other sounds. */
function folded(group: string): string {
  const plain = /^[\x20-\x7e]*$/.test(group)
    ? group
    : group
        .normalize('NFKD')
        .replace(/[\u0300-\u036f]/g, '')
        .normalize('NFKC');
  const components = plain
    .toLowerCase()
    .split('^')
    .map((component) => component.trim());
  while (components.at(-1) === '') components.pop();
  return components.join('^');
}

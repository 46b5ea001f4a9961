import { Status } from './status.js';

/** In front of the rule's name in the Error Comment (0000,0902) of an instance that is excluded. */
const PREFIX = 'excluded: ';
/** LO (PS3.5 6.2). */
const MAX_COMMENT_LENGTH = 64;

/** The Error Comment (0000,0902) that goes with {@link Status.InstanceExcluded}: the rule's name, as much of it as LO can hold. */
export function exclusionComment(rule: string): string {
  return `${PREFIX}${rule}`.slice(0, MAX_COMMENT_LENGTH);
}

/**
 * The rule by which a node leaves an instance out for good, as its C-STORE-RSP says it. Only status and comment together
 * say so: another vendor's node may use the status for something else.
 *
 * @returns one line of printable text; null for every other response
 */
export function exclusionRule(status: number, errorComment: string | undefined): string | null {
  if (status !== Status.InstanceExcluded || errorComment?.startsWith(PREFIX) !== true) return null;
  const rule = errorComment
    .slice(PREFIX.length, MAX_COMMENT_LENGTH)
    .replace(/[^\x20-\x7e]/g, '?')
    .trim();
  return rule === '' ? null : rule;
}

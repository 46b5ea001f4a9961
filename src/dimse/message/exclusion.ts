import { errorComment } from './error-comment.js';
import { Status } from './status.js';

/** In front of the rule's name in the Error Comment (0000,0902) of an instance that is excluded. */
const PREFIX = 'excluded: ';

/** The Error Comment (0000,0902) that goes with {@link Status.InstanceExcluded}: the rule's name, as much of it as LO can hold. */
export function exclusionComment(rule: string): string {
  return errorComment(`${PREFIX}${rule}`);
}

/**
 * The rule by which a node leaves an instance out for good, as its C-STORE-RSP says it. Only status and comment together
 * say so: another vendor's node may use the status for something else.
 *
 * @returns one line of printable text; null for every other response
 */
export function exclusionRule(status: number, comment: string | undefined): string | null {
  if (status !== Status.InstanceExcluded || comment?.startsWith(PREFIX) !== true) return null;
  const rule = errorComment(comment)
    .slice(PREFIX.length)
    .replace(/[^\x20-\x7e]/g, '?')
    .trim();
  return rule === '' ? null : rule;
}

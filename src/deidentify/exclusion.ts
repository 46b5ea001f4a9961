import { hasNativeFrames } from '../dimse/data-set/encoding.js';
import type { InstanceHead } from './head.js';
import type { Blanks } from './scrub/blanks.js';
import { canBeScrubbed } from './scrub/frame-scrubber.js';
import { isScrubbedOutsideRegions, NO_SCRUBBING, scrubPlan, type ScrubRules } from './scrub/scrub-plan.js';
import { isUltrasound, unseenKind } from './sop-class-kinds.js';

/** Rules that leave instances out, or parts of their frames. */
export interface InstanceRules {
  /** SOP classes that are taken although their kind is left out. */
  readonly allowedSopClasses?: ReadonlySet<string>;
  /** The name of the project's rule by which an instance is not wanted; null when it is. */
  readonly excludedBy?: (head: InstanceHead) => string | null;
  readonly scrub?: ScrubRules;
}

/** Whether an instance is passed on, and what of its frames is not. */
export type Judgement =
  { readonly excludedBy: string } | { readonly excludedBy: null; readonly blanks: Blanks | null };

/**
 * Judges an instance by what it says of itself and nothing else, so that the answer is the same whenever it comes.
 *
 * Left out are, in this order: Burned In Annotation YES, Image Type SCREEN SAVE, the kinds of objects that nobody looks through,
 * ultrasound that does not say where its image is, what the project's own rules say, and frames that would have to be scrubbed
 * and can't be.
 */
export function judged(head: InstanceHead, rules: InstanceRules, transferSyntax: string): Judgement {
  const rule = ruleAgainst(head, rules);
  if (rule !== null) return { excludedBy: rule };
  const blanks = scrubPlan(head, rules.scrub ?? NO_SCRUBBING);
  if (blanks === null) return { excludedBy: null, blanks };
  if (!hasNativeFrames(transferSyntax)) return { excludedBy: 'scrub-of-compressed-frames' };
  return canBeScrubbed(head.frame) ? { excludedBy: null, blanks } : { excludedBy: 'scrub-of-unknown-frames' };
}

function ruleAgainst(head: InstanceHead, rules: InstanceRules): string | null {
  if (head.burnedInAnnotation.toUpperCase().startsWith('YES')) return 'burned-in-annotation';
  if (/SCREEN[ _]?SAVE/i.test(head.imageType)) return 'screen-save';
  const kind = unseenKind(head.sopClassUid);
  if (kind !== null && rules.allowedSopClasses?.has(head.sopClassUid) !== true) return kind;
  const wantsRegions =
    isUltrasound(head.sopClassUid) || isScrubbedOutsideRegions(head, rules.scrub ?? NO_SCRUBBING);
  if (wantsRegions && (head.ultrasoundRegions ?? []).length === 0) return 'ultrasound-without-regions';
  return rules.excludedBy?.(head) ?? null;
}

import type { InstanceHead } from './head.js';

/** Rules that leave instances out, by name; what PS3.15 does not do to a data set they do not do either. */
export interface InstanceRules {
  /** SOP classes that are taken although their kind is left out. */
  readonly allowedSopClasses?: ReadonlySet<string>;
  /** The name of the project's rule by which an instance is not wanted; null when it is. */
  readonly excludedBy?: (head: InstanceHead) => string | null;
}

/** Kinds of objects in which text stands that nobody looks through, by the beginning of their SOP class (PS3.4 B.5). */
const KINDS: readonly (readonly [rule: string, sopClass: RegExp])[] = [
  ['secondary-capture', /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.7(\.\d+)?$/],
  ['encapsulated-document', /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.104\.\d+$/],
  ['structured-report', /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.\d+$/],
  ['presentation-state', /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\.\d+$/],
];

/** Ultrasound and its multi-frame form, each with its retired class; enhanced volumes (6.2) must not have burned-in text. */
const ULTRASOUND = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.(6|6\.1|3|3\.1)$/;

/**
 * The rule by which an instance is not passed on, in words fit for a status; null when it is. What an instance says of itself
 * is all that is asked, so that the answer is the same whenever it comes.
 *
 * In this order: Burned In Annotation YES, Image Type SCREEN SAVE, the kinds of objects that nobody looks through, ultrasound
 * that does not say where its image is, and then the project's own rules.
 */
export function ruleAgainst(head: InstanceHead, rules: InstanceRules): string | null {
  if (head.burnedInAnnotation.toUpperCase().startsWith('YES')) return 'burned-in-annotation';
  if (/SCREEN[ _]?SAVE/i.test(head.imageType)) return 'screen-save';
  const kind = KINDS.find(([, sopClass]) => sopClass.test(head.sopClassUid));
  if (kind !== undefined && rules.allowedSopClasses?.has(head.sopClassUid) !== true) return kind[0];
  if (isUltrasound(head) && (head.ultrasoundRegions ?? []).length === 0) return 'ultrasound-without-regions';
  return rules.excludedBy?.(head) ?? null;
}

/** An image of an ultrasound device, which writes the patient's name around it. */
export function isUltrasound({ sopClassUid }: InstanceHead): boolean {
  return ULTRASOUND.test(sopClassUid);
}

import type { InstanceHead, Rectangle } from '../head.js';
import { isUltrasound, mayShowText } from '../sop-class-kinds.js';
import { blanksOf, type Blanks } from './blanks.js';

/** Rectangles in which a kind of device writes; all that is said must hold. */
export interface ScrubRule {
  /** Looked for in Manufacturer (0008,0070). */
  readonly manufacturer: RegExp;
  /** Looked for in Manufacturer's Model Name (0008,1090); null for all models. */
  readonly model: RegExp | null;
  readonly rows: number;
  readonly columns: number;
  readonly rectangles: readonly Rectangle[];
}

/** What of the frames is not to be seen. */
export interface ScrubRules {
  /** All but the ultrasound regions, of whatever object has none that says that it is clean: the recipe `us-deid` of PIXL. */
  readonly outsideRegions: boolean;
  readonly rectangles: readonly ScrubRule[];
}

export const NO_SCRUBBING: ScrubRules = { outsideRegions: false, rectangles: [] };

/** Ultrasound is scrubbed outside of its regions, always, unless it says that nothing is burned in. */
export function isScrubbedOutsideRegions(head: InstanceHead, { outsideRegions }: ScrubRules): boolean {
  return (isUltrasound(head.sopClassUid) || outsideRegions) && !saysClean(head);
}

/** Whether text may stand in frames of which nobody has said that there is none, and of which nothing was blanked. */
export function isUnexamined(head: InstanceHead, blanks: Blanks | null): boolean {
  return blanks === null && mayShowText(head.sopClassUid) && !saysClean(head);
}

/** Burned In Annotation (0028,0301) NO. */
function saysClean({ burnedInAnnotation }: InstanceHead): boolean {
  return burnedInAnnotation.toUpperCase() === 'NO';
}

/** What of each frame of an instance is to be blanked; null when nothing is. */
export function scrubPlan(head: InstanceHead, rules: ScrubRules): Blanks | null {
  const { rows, columns } = head.frame;
  const kept = isScrubbedOutsideRegions(head, rules) ? (head.ultrasoundRegions ?? []) : null;
  const rectangles = rules.rectangles.filter((rule) => isOf(head, rule)).flatMap((rule) => rule.rectangles);
  if (kept === null && rectangles.length === 0) return null;
  return blanksOf(rows, columns, kept, rectangles);
}

function isOf(head: InstanceHead, { manufacturer, model, rows, columns }: ScrubRule): boolean {
  const { frame } = head;
  return (
    frame.rows === rows &&
    frame.columns === columns &&
    manufacturer.test(head.manufacturer) &&
    (model === null || model.test(head.manufacturerModelName))
  );
}

const STORAGE = String.raw`^1\.2\.840\.10008\.5\.1\.4\.1\.1\.`;

/** Kinds of objects in which text stands that nobody looks through, by their SOP class (PS3.4 B.5). */
const UNSEEN: readonly (readonly [kind: string, sopClass: RegExp])[] = [
  ['secondary-capture', new RegExp(String.raw`${STORAGE}7(\.\d+)?$`)],
  ['encapsulated-document', new RegExp(String.raw`${STORAGE}104\.\d+$`)],
  ['structured-report', new RegExp(String.raw`${STORAGE}88\.\d+$`)],
  ['presentation-state', new RegExp(String.raw`${STORAGE}11\.\d+$`)],
];

/** Ultrasound and its multi-frame form, each with its retired class; enhanced volumes (6.2) must not have burned-in text. */
const ULTRASOUND = new RegExp(String.raw`${STORAGE}(6|6\.1|3|3\.1)$`);

/** Screens, and what cameras saw: endoscopy, microscopy, photographs. */
const MAY_SHOW_TEXT = new RegExp(String.raw`${STORAGE}(7(\.\d+)?|77\.1\.\d+(\.\d+)?)$`);

/** `secondary-capture`, `encapsulated-document`, `structured-report`, `presentation-state`; null for what is none of these. */
export function unseenKind(sopClassUid: string): string | null {
  return UNSEEN.find(([, sopClass]) => sopClass.test(sopClassUid))?.[0] ?? null;
}

/** An image of an ultrasound device, which writes the patient's name around it. */
export function isUltrasound(sopClassUid: string): boolean {
  return ULTRASOUND.test(sopClassUid);
}

/** Frames of this class may show text that no device has put into its rules. */
export function mayShowText(sopClassUid: string): boolean {
  return MAY_SHOW_TEXT.test(sopClassUid);
}

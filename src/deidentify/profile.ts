/**
 * What becomes of an element (PS3.15 table E.1-1a).
 *
 * `keep` its value is passed on, as far as the residual check lets it; of a sequence its items are rewritten.
 * `remove` it goes, with all that is in it. `empty` its value goes. `dummy` its value gives way to one that says nothing; of a
 * sequence the items are rewritten. `uid` each UID in it is mapped. `shift-date` dates are moved into the past.
 * `value` its value is this text. `hash` each value gives way to a keyed hash of it, the patient's ID to their pseudonym.
 */
export type Action =
  | { readonly kind: 'keep' }
  | { readonly kind: 'remove' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'dummy' }
  | { readonly kind: 'uid' }
  | { readonly kind: 'shift-date' }
  | { readonly kind: 'hash' }
  | { readonly kind: 'value'; readonly value: string };

/** An element as a profile judges it, wherever it stands. */
export interface ElementPlace {
  /** Group and element in one number: 0x00100010 is (0010,0010). */
  readonly tag: number;
  /** As the data set says, or where it does not, as PS3.6 says; undefined for one that neither tells. */
  readonly vr: string | undefined;
  /** 0 for the data set itself, 1 for items of its sequences, and so on. */
  readonly depth: number;
  /** Of a private element the creator of its block (PS3.5 7.8.1), null when nobody reserved it; null of a public one. */
  readonly creator: string | null;
}

/** Rules for each element, and what is written about them into the data set. */
export interface Profile {
  readonly name: string;
  actionOf(place: ElementPlace): Action;
  /** (0012,0063) De-identification Method: what was done, in words. */
  readonly method: readonly string[];
  /** (0012,0064) De-identification Method Code Sequence: codes of CID 7050, scheme DCM. */
  readonly methodCodes: readonly MethodCode[];
  /** (0028,0303) Longitudinal Temporal Information Modified (PS3.3 C.12.1). */
  readonly longitudinal: 'REMOVED' | 'MODIFIED' | 'UNMODIFIED';
}

/** A code of CID 7050 (PS3.16). */
export interface MethodCode {
  readonly value: string;
  readonly meaning: string;
}

import type { ElementPlace } from '../dimse/data-set/rewriting-walker.js';

export type { ElementPlace };

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

import type { Action, ElementPlace, Profile } from '../profile.js';
import type { ManufacturerOverride, Operation, TagOperation } from './tag-operations.js';

const REMOVE: Action = { kind: 'remove' };
const EMPTY: Action = { kind: 'empty' };

/** What PIXL puts in the place of a value (its `replace`), by VR; of other VRs zeros. */
const REPLACEMENTS: Readonly<Record<string, string>> = {
  AE: 'ANONYMIZED',
  AS: '000Y',
  DA: '00010101',
  DS: '0',
  DT: '00010101010101.000000+0000',
  IS: '0',
  LO: 'ANONYMIZED',
  LT: 'ANONYMIZED',
  PN: 'ANONYMIZED',
  SH: 'ANONYMIZED',
  ST: 'ANONYMIZED',
  TM: '000000.00',
  UC: 'ANONYMIZED',
  UR: 'ANONYMIZED',
  UT: 'ANONYMIZED',
};

/** An allow list for one manufacturer's devices. */
export interface AllowList {
  /** Later operations win over earlier ones on the same attribute. */
  readonly base: readonly TagOperation[];
  readonly overrides: readonly ManufacturerOverride[];
}

/**
 * PIXL's profile: what no operation names goes, at every depth. It is not a profile of PS3.15, and what it keeps is what its
 * files say; `check-project` lists what table E.1-1 would not keep.
 *
 * @param manufacturer as the instance says, for the overrides
 */
export function allowListProfile(list: AllowList, manufacturer: string): Profile {
  const matching = list.overrides.filter((one) => one.manufacturer.test(manufacturer));
  const operations = new Map<string, Operation>();
  for (const { tag, creator, operation } of [...list.base, ...matching.flatMap(({ tags }) => tags)])
    operations.set(keyOf(tag, creator), operation);
  return {
    name: 'pixl',
    actionOf: (place) => actionOf(place, operations),
    method: ['PIXL tag operations'],
    methodCodes: [],
    longitudinal: 'REMOVED',
  };
}

const keyOf = (tag: number, creator: string | null): string =>
  creator === null ? tag.toString(16) : `${tag.toString(16)} ${creator.trim().toUpperCase()}`;

function actionOf(place: ElementPlace, operations: ReadonlyMap<string, Operation>): Action {
  const { tag, creator, vr } = place;
  if ((tag & 0xffff) === 0) return REMOVE;
  const named = operations.get(keyOf(tag, null));
  const byCreator = creator === null ? undefined : operations.get(keyOf((tag & 0xffff00ff) >>> 0, creator));
  const operation = byCreator ?? named;
  return operation === undefined ? REMOVE : action(operation, vr);
}

function action(operation: Operation, vr: string | undefined): Action {
  switch (operation.op) {
    case 'keep':
      return { kind: 'keep' };
    case 'delete':
      return REMOVE;
    case 'empty':
      return EMPTY;
    case 'replace_UID':
    case 'hash-uid':
      return { kind: 'uid' };
    case 'date-shift':
      return { kind: 'shift-date' };
    case 'secure-hash':
      return { kind: 'hash' };
    case 'value':
      return { kind: 'value', value: operation.value };
    case 'replace':
      return replacement(vr);
  }
}

/** A code string holds one of the terms that its attribute defines: a word of ours would be none of them. */
function replacement(vr: string | undefined): Action {
  if (vr === 'CS') return EMPTY;
  const value = REPLACEMENTS[vr ?? ''];
  return value === undefined ? { kind: 'dummy' } : { kind: 'value', value };
}

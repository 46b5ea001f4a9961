import type { Retry } from '../../core/errors.js';

export type DimseOperation = 'C-ECHO' | 'C-FIND' | 'C-MOVE' | 'C-GET' | 'C-STORE';

/** Status codes that the code names (PS3.7 annex C; PS3.4 B.2.3, C.4.1.1.4, C.4.2.1.5, C.4.3.1.4). */
export const Status = {
  Success: 0x0000,
  DuplicateSopInstance: 0x0111,
  ProcessingFailure: 0x0110,
  InvalidSopInstance: 0x0117,
  SopClassNotSupported: 0x0122,
  NotAuthorized: 0x0124,
  OutOfResources: 0xa700,
  OutOfResourcesMatches: 0xa701,
  OutOfResourcesSubOperations: 0xa702,
  MoveDestinationUnknown: 0xa801,
  IdentifierDoesNotMatchSopClass: 0xa900,
  SubOperationsCompleteWithFailures: 0xb000,
  CannotUnderstand: 0xc000,
  UnableToProcess: 0xc001,
  /** Ours: a node leaves an instance out for good. Means it only together with an Error Comment that says so (exclusion.ts). */
  InstanceExcluded: 0xcde1,
  Cancel: 0xfe00,
  Pending: 0xff00,
  PendingWithWarning: 0xff01,
} as const;

/** 0xFF00 and 0xFF01: more responses follow (PS3.4 C.4.1.1.4: FF01 says that optional keys were not supported). */
export function isPending(status: number): boolean {
  return status === Status.Pending || status === Status.PendingWithWarning;
}

/** 0x0001, 0x0107, 0x0116 and 0xBxxx: done, with a remark (PS3.7 annex C.4). */
export function isWarning(status: number): boolean {
  return isStorageWarning(status) || status === 0x0001 || status === 0x0107 || status === 0x0116;
}

/** 0xBxxx: the instance is stored, with a remark (PS3.4 B.2.3). The other warnings are none of a C-STORE. */
export function isStorageWarning(status: number): boolean {
  return (status & 0xf000) === 0xb000;
}

/**
 * Does the same request help later? Only what says "I don't know what you mean" or "I may not" is for good:
 * archives use 0xC000 and above for about everything, from a full disk to a lock.
 */
export function retryOfStatus(status: number): Retry {
  switch (status) {
    case Status.MoveDestinationUnknown:
    case Status.IdentifierDoesNotMatchSopClass:
    case Status.SopClassNotSupported:
    case Status.NotAuthorized:
    case 0x0105: // no such attribute
    case 0x0106: // invalid attribute value
    case 0x0112: // no such SOP instance
    case 0x0115: // invalid argument value
    case Status.InvalidSopInstance:
    case 0x0118: // no such SOP class
    case 0x0119: // class-instance conflict
    case 0x0120: // missing attribute
    case 0x0121: // missing attribute value
    case 0x0211: // unrecognized operation
    case 0x0212: // mistyped argument
      return 'never';
    default:
      return 'later';
  }
}

const GENERAL: ReadonlyMap<number, string> = new Map([
  [0x0000, 'success'],
  [0x0105, 'no such attribute'],
  [0x0106, 'invalid attribute value'],
  [0x0110, 'processing failure'],
  [0x0111, 'duplicate SOP instance'],
  [0x0112, 'no such SOP instance'],
  [0x0115, 'invalid argument value'],
  [0x0117, 'invalid SOP instance'],
  [0x0118, 'no such SOP class'],
  [0x0119, 'class-instance conflict'],
  [0x0120, 'missing attribute'],
  [0x0121, 'missing attribute value'],
  [0x0122, 'SOP class not supported'],
  [0x0124, 'refused: not authorized'],
  [0x0210, 'duplicate invocation'],
  [0x0211, 'unrecognized operation'],
  [0x0212, 'mistyped argument'],
  [0x0213, 'resource limitation'],
  [0xa700, 'refused: out of resources'],
  [0xa701, 'refused: out of resources, unable to count matches'],
  [0xa702, 'refused: out of resources, unable to perform sub-operations'],
  [0xa801, 'refused: move destination unknown'],
  [0xfe00, 'cancelled'],
]);

/** The status as the standard words it for the operation, with its code. */
export function describeStatus(operation: DimseOperation, status: number): string {
  return `${statusText(operation, status)} (0x${status.toString(16).toUpperCase().padStart(4, '0')})`;
}

function statusText(operation: DimseOperation, status: number): string {
  const known = GENERAL.get(status);
  if (known !== undefined) return known;
  if (isPending(status)) return 'pending';
  if (status === 0xb000 && (operation === 'C-MOVE' || operation === 'C-GET'))
    return 'sub-operations complete, one or more failures or warnings';
  if (isWarning(status)) return 'warning';
  if ((status & 0xff00) === 0xa900) return 'data set or identifier does not match SOP class';
  if ((status & 0xf000) === 0xc000)
    return operation === 'C-STORE' ? 'cannot understand' : 'unable to process';
  if ((status & 0xf000) === 0xa000) return 'refused';
  return 'failure';
}

import { Status, type RetrieveSelection } from '../../dimse/index.js';

export type RetrieveLevel = RetrieveSelection['level'];

/** How a node is asked for some instances of a study: at which level, and whether one request may name several UIDs there. */
export interface Asking {
  readonly level: RetrieveLevel;
  readonly lists: boolean;
}

/** Single images, many to a request: brings what is wanted and nothing else. */
export const BY_IMAGES: Asking = { level: 'IMAGE', lists: true };

const ONE_IMAGE: Asking = { level: 'IMAGE', lists: false };
const ONE_SERIES: Asking = { level: 'SERIES', lists: false };
const WHOLE_STUDY: Asking = { level: 'STUDY', lists: false };

/** What a node may have against a request, other than against what is asked for. */
export type Refusal =
  /** "I don't do that at this level", or "unable to process", which some archives say for the same (SPEC 2.5). */
  | 'level'
  /** 0xA801 to a list of UIDs: pynetdicom's qrscp says so when it can't read the list (docs/field-notes.md). */
  | 'list'
  /** 0xA801 to one UID: the node does not know the move destination. */
  | 'destination';

/** @returns null for every other status */
export function refusalOf(status: number, selection: RetrieveSelection): Refusal | null {
  if (status === Status.MoveDestinationUnknown) return isList(selection) ? 'list' : 'destination';
  const isLevel =
    status === Status.IdentifierDoesNotMatchSopClass ||
    status === Status.SopClassNotSupported ||
    (status & 0xf000) === 0xc000;
  return isLevel ? 'level' : null;
}

function isList(selection: RetrieveSelection): boolean {
  switch (selection.level) {
    case 'STUDY':
      return false;
    case 'SERIES':
      return selection.seriesInstanceUids.length > 1;
    case 'IMAGE':
      return selection.sopInstanceUids.length > 1;
  }
}

/**
 * What to try next when a node refuses to be asked so.
 *
 * @param tried what has been refused, `refused` included
 * @param exact a wider level would bring more than may come at once, so that one UID at a time is tried before it
 * @returns null when nothing is left
 */
export function nextAsking(
  refused: Asking,
  why: Refusal,
  tried: readonly Asking[],
  exact: boolean,
): Asking | null {
  const candidates =
    why === 'list'
      ? exact
        ? [ONE_IMAGE, ONE_SERIES, WHOLE_STUDY]
        : [ONE_SERIES, WHOLE_STUDY]
      : widerThan(refused);
  const singles = tried.some((asking) => isSame(asking, BY_IMAGES)) ? [ONE_IMAGE] : [];
  return [...candidates, ...singles].find((one) => !tried.some((asking) => isSame(asking, one))) ?? null;
}

function widerThan({ level, lists }: Asking): Asking[] {
  switch (level) {
    case 'IMAGE':
      return [{ level: 'SERIES', lists }, WHOLE_STUDY];
    case 'SERIES':
      return [WHOLE_STUDY];
    case 'STUDY':
      return [];
  }
}

function isSame(one: Asking, other: Asking): boolean {
  return one.level === other.level && (one.level === 'STUDY' || one.lists === other.lists);
}

/** A status in words for a reason. */
export function hex(status: number): string {
  return `0x${status.toString(16).padStart(4, '0').toUpperCase()}`;
}

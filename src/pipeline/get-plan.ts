import type { SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import {
  IDENTIFIER_TRANSFER_SYNTAXES,
  STUDY_ROOT_GET,
  type ContextProposal,
  type RetrieveSelection,
} from '../dimse/index.js';
import type { SopClassGroup } from './sop-class-groups.js';
import type { StudyContents } from './study-contents.js';

/**
 * How a study is asked for by C-GET. Each SOP class is proposed in every usual transfer syntax, one to a context: so a store sends
 * what it keeps as it keeps it, and there is no instance without a context, at which some stores end the whole C-GET.
 */
export const GET_CONTEXT: ContextProposal = {
  abstractSyntax: STUDY_ROOT_GET,
  transferSyntaxes: IDENTIFIER_TRANSFER_SYNTAXES,
};

/** Every class of the group in each of its transfer syntaxes. */
export function storageContexts(group: SopClassGroup): ContextProposal[] {
  return group.sopClassUids.flatMap((abstractSyntax) =>
    group
      .transferSyntaxesOf(abstractSyntax)
      .map((syntax) => ({ abstractSyntax, transferSyntaxes: [syntax] })),
  );
}

export interface SelectionScope {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly contents: StudyContents;
  /** `contents` is all that the node holds of the study, so that it can be asked for as a whole. */
  readonly wholeStudy: boolean;
  /** Most UIDs in one list. */
  readonly batch: number;
}

/** The fewest C-GETs that name just what is wanted. */
export function selectionsOf(
  wanted: ReadonlySet<SopInstanceUid>,
  { studyInstanceUid, contents, wholeStudy, batch }: SelectionScope,
): RetrieveSelection[] {
  if (wanted.size < contents.size)
    return [...contents.only(wanted).series].flatMap(([seriesInstanceUid, instances]) =>
      chunks([...instances.keys()], batch).map((sopInstanceUids) => ({
        level: 'IMAGE',
        studyInstanceUid,
        seriesInstanceUid,
        sopInstanceUids,
      })),
    );
  if (wholeStudy) return [{ level: 'STUDY', studyInstanceUid }];
  return chunks([...contents.series.keys()], batch).map((seriesInstanceUids) => ({
    level: 'SERIES',
    studyInstanceUid,
    seriesInstanceUids,
  }));
}

/** In runs of at most `size`. */
function chunks<T>(items: readonly T[], size: number): T[][] {
  const runs: T[][] = [];
  for (let at = 0; at < items.length; at += size) runs.push(items.slice(at, at + size));
  return runs;
}

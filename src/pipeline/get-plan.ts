import type { SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import {
  IDENTIFIER_TRANSFER_SYNTAXES,
  MAX_PRESENTATION_CONTEXTS,
  STORAGE_CLASSES,
  STORAGE_TRANSFER_SYNTAXES,
  STUDY_ROOT_GET,
  type ContextProposal,
  type RetrieveSelection,
} from '../dimse/index.js';
import type { StudyContents } from './study-contents.js';

/**
 * How a study is asked for by C-GET. Each SOP class is proposed in every transfer syntax, one to a context: so a store sends
 * what it keeps as it keeps it, and there is no instance without a context, at which some stores end the whole C-GET.
 */
export const GET_CONTEXT: ContextProposal = {
  abstractSyntax: STUDY_ROOT_GET,
  transferSyntaxes: IDENTIFIER_TRANSFER_SYNTAXES,
};

/** SOP classes that share an association, and the instances to ask for on it. */
export interface SopClassGroup {
  readonly sopClassUids: readonly string[];
  readonly sopInstanceUids: readonly SopInstanceUid[];
  /** The node does not tell SOP classes: these are guesses, and what does not come may come with the next group. */
  readonly guessed: boolean;
}

/** Every class in every transfer syntax, one to a context, beside the one for C-GET (PS3.8 9.3.2.2: 128 at most). */
const CLASSES_PER_ASSOCIATION = Math.floor(
  (MAX_PRESENTATION_CONTEXTS - 1) / STORAGE_TRANSFER_SYNTAXES.length,
);

export function sopClassGroups(contents: StudyContents): SopClassGroup[] {
  const byClass = new Map<string, SopInstanceUid[]>();
  for (const instances of contents.series.values())
    for (const { sopInstanceUid, sopClassUid } of instances.values()) {
      const uids = byClass.get(sopClassUid) ?? [];
      byClass.set(sopClassUid, uids);
      uids.push(sopInstanceUid);
    }
  const untold = byClass.get('') ?? [];
  byClass.delete('');
  const groups: SopClassGroup[] = [];
  const known = [...byClass];
  for (let at = 0; at < known.length; at += CLASSES_PER_ASSOCIATION) {
    const some = known.slice(at, at + CLASSES_PER_ASSOCIATION);
    groups.push({
      sopClassUids: some.map(([sopClassUid]) => sopClassUid),
      sopInstanceUids: some.flatMap(([, uids]) => uids),
      guessed: false,
    });
  }
  for (let at = 0; untold.length > 0 && at < STORAGE_CLASSES.length; at += CLASSES_PER_ASSOCIATION)
    groups.push({
      sopClassUids: STORAGE_CLASSES.slice(at, at + CLASSES_PER_ASSOCIATION),
      sopInstanceUids: untold,
      guessed: true,
    });
  return groups;
}

/** Every class of the group in every transfer syntax. */
export function storageContexts(group: SopClassGroup): ContextProposal[] {
  return group.sopClassUids.flatMap((abstractSyntax) =>
    STORAGE_TRANSFER_SYNTAXES.map((syntax) => ({ abstractSyntax, transferSyntaxes: [syntax] })),
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

import type { SopInstanceUid } from '../core/ids.js';
import {
  MAX_PRESENTATION_CONTEXTS,
  RARE_TRANSFER_SYNTAXES,
  STORAGE_CLASSES,
  STORAGE_TRANSFER_SYNTAXES,
} from '../dimse/index.js';
import type { StudyContents } from './study-contents.js';

/** SOP classes that share an association, and the instances to ask for on it. */
export interface SopClassGroup {
  readonly sopClassUids: readonly string[];
  readonly sopInstanceUids: readonly SopInstanceUid[];
  /** The transfer syntaxes in which each class is proposed, one to a context. */
  readonly transferSyntaxesOf: (sopClassUid: string) => readonly string[];
  /** The node does not tell SOP classes: these are guesses, and what does not come may come with the next group. */
  readonly guessed: boolean;
}

/** Every class in every transfer syntax, one to a context, beside the one for C-GET (PS3.8 9.3.2.2: 128 at most). */
const CLASSES_PER_ASSOCIATION = Math.floor(
  (MAX_PRESENTATION_CONTEXTS - 1) / STORAGE_TRANSFER_SYNTAXES.length,
);

/** What is to be delivered, in groups of as many SOP classes as one association has contexts for. */
export function sopClassGroups(contents: StudyContents): SopClassGroup[] {
  const byClass = new Map<string, SopInstanceUid[]>();
  const told = toldSyntaxes(contents);
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
    const sopClassUids = some.map(([sopClassUid]) => sopClassUid);
    groups.push({
      sopClassUids,
      sopInstanceUids: some.flatMap(([, uids]) => uids),
      transferSyntaxesOf: withinRoom(sopClassUids, told),
      guessed: false,
    });
  }
  for (let at = 0; untold.length > 0 && at < STORAGE_CLASSES.length; at += CLASSES_PER_ASSOCIATION)
    groups.push({
      sopClassUids: STORAGE_CLASSES.slice(at, at + CLASSES_PER_ASSOCIATION),
      sopInstanceUids: untold,
      transferSyntaxesOf: () => STORAGE_TRANSFER_SYNTAXES,
      guessed: true,
    });
  return groups;
}

/**
 * The same for instances that came in none of the usual transfer syntaxes: each class for itself, in every syntax that we know or the
 * node tells of. What the node did not tell the class of is left out: all classes have been tried.
 */
export function lastResortGroups(
  contents: StudyContents,
  left: readonly SopInstanceUid[],
): readonly SopClassGroup[] {
  const told = toldSyntaxes(contents);
  const known = [...STORAGE_TRANSFER_SYNTAXES, ...RARE_TRANSFER_SYNTAXES];
  return sopClassGroups(contents.only(new Set(left)))
    .filter(({ guessed }) => !guessed)
    .flatMap(({ sopClassUids }) => sopClassUids)
    .map((sopClassUid) => ({
      sopClassUids: [sopClassUid],
      sopInstanceUids: left.filter((uid) => classOf(contents, uid) === sopClassUid),
      transferSyntaxesOf: () =>
        [...new Set([...known, ...(told.get(sopClassUid) ?? [])])].slice(0, MAX_PRESENTATION_CONTEXTS - 1),
      guessed: false,
    }));
}

/** What the node tells by class beyond the usual ones. */
function toldSyntaxes(contents: StudyContents): ReadonlyMap<string, ReadonlySet<string>> {
  const told = new Map<string, Set<string>>();
  for (const instances of contents.series.values())
    for (const { sopClassUid, transferSyntaxUids } of instances.values())
      for (const syntax of transferSyntaxUids)
        if (!STORAGE_TRANSFER_SYNTAXES.includes(syntax)) {
          const ofClass = told.get(sopClassUid) ?? new Set<string>();
          told.set(sopClassUid, ofClass.add(syntax));
        }
  return told;
}

/** The usual ones for each, and of those that are told as many as there is room for. */
function withinRoom(
  sopClassUids: readonly string[],
  told: ReadonlyMap<string, ReadonlySet<string>>,
): (sopClassUid: string) => readonly string[] {
  let room = MAX_PRESENTATION_CONTEXTS - 1 - sopClassUids.length * STORAGE_TRANSFER_SYNTAXES.length;
  const syntaxes = new Map<string, readonly string[]>();
  for (const sopClassUid of sopClassUids) {
    const others = [...(told.get(sopClassUid) ?? [])].slice(0, room);
    room -= others.length;
    syntaxes.set(sopClassUid, [...STORAGE_TRANSFER_SYNTAXES, ...others]);
  }
  return (sopClassUid) => syntaxes.get(sopClassUid) ?? STORAGE_TRANSFER_SYNTAXES;
}

function classOf(contents: StudyContents, uid: SopInstanceUid): string {
  for (const instances of contents.series.values()) {
    const found = instances.get(uid);
    if (found !== undefined) return found.sopClassUid;
  }
  return '';
}

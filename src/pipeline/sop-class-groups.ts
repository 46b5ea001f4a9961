import type { SopInstanceUid } from '../core/ids.js';
import { MAX_PRESENTATION_CONTEXTS, STORAGE_CLASSES, STORAGE_TRANSFER_SYNTAXES } from '../dimse/index.js';
import type { StudyContents } from './study-contents.js';

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

/** What is to be delivered, in groups of as many SOP classes as one association has contexts for. */
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

import { listStudy } from '../study-contents.js';
import type { StudyInHand } from './study.js';

/**
 * Step 2: what the archive lists of what was asked for, and what raw holds of it.
 *
 * @throws what a query fails with
 */
export async function compare(study: StudyInHand): Promise<void> {
  const { studyInstanceUid, work, tally, match } = study;
  const { archive, parts, signal, message } = work;
  const { queryTimeoutMs } = parts.settings;
  const only = study.isAskedWhole ? null : new Set(message.seriesInstanceUids);
  // At the same time: with peers that answer 40 ms late, one after the other is felt in a study of few images.
  const [listed, inRaw] = await Promise.allSettled([
    listStudy(archive.client, studyInstanceUid, only, queryTimeoutMs, signal),
    listStudy(parts.raw, studyInstanceUid, only, queryTimeoutMs, signal, 'names and transfer syntaxes'),
  ]);
  if (listed.status === 'rejected') throw listed.reason;
  if (inRaw.status === 'rejected') throw inRaw.reason;
  study.expected = listed.value;
  tally.list(listed.value, study.isAskedWhole ? (match.numberOfInstances ?? listed.value.counted) : null);
  tally.seeRaw(inRaw.value);
  tally.settledBefore(work.settled);
  study.progress('compare');
}

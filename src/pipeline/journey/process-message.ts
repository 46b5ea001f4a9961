import type { Settled } from '../../core/acknowledgements.js';
import { throwIfCancelled } from '../../core/cancel.js';
import { codeOf, describeError, retryOf } from '../../core/errors.js';
import type { StudyRequest } from '../../core/message.js';
import { OptedOutError } from '../../core/opt-out.js';
import type { ArchiveName, Outcome, StudyReport } from '../../core/outcome.js';
import { compare } from './compare.js';
import { deliver } from './deliver.js';
import { findStudy } from './find.js';
import { endOf, noArchive, notFound, notWhole, type Lists } from './outcome.js';
import type { JourneyParts } from './parts.js';
import { retrieve } from './retrieve.js';
import { StudyInHand, type Work } from './study.js';
import { answerOf, troubleOf } from './trouble.js';

/**
 * The journey of one message through one archive (SPEC 2): find, compare with raw, retrieve what is missing; when all of it has
 * come, deliver. Every trouble with a peer becomes an outcome.
 *
 * @param settled what of the message was delivered or left out in earlier attempts, which is not sent again
 * @throws CancelledError when `signal` is aborted: the message has no outcome then and is to be worked on again
 */
export async function processMessage(
  message: StudyRequest,
  archiveName: ArchiveName,
  parts: JourneyParts,
  signal: AbortSignal,
  settled: Settled = new Map(),
): Promise<Outcome> {
  const archive = parts.archives[archiveName];
  if (archive === null) return noArchive(archiveName);
  const work: Work = { message, archive, parts, settled, signal };
  const studies: StudyInHand[] = [];
  try {
    return await journey(work, studies);
  } catch (error) {
    throwIfCancelled(signal, 'journey');
    const trouble = troubleOf(error, work);
    return {
      kind: 'failed',
      archive: archiveName,
      archiveAnswer: answerOf(error, trouble, work),
      trouble,
      studies: reportsOf(studies),
      retry: retryOf(error),
      code: codeOf(error),
      reason: describeError(error),
    };
  } finally {
    for (const study of studies) study.end();
  }
}

/** All studies of the message are found, compared and retrieved before the first is delivered. */
async function journey(work: Work, studies: StudyInHand[]): Promise<Outcome> {
  const { message, archive, parts, signal } = work;
  const optedOut = await parts.optOuts.current();
  if (optedOut.has(message.mrn ?? ''))
    throw new OptedOutError('the patient opted out; nothing was asked for');
  const found = await findStudy(message, archive.client, parts.settings.queryTimeoutMs, signal);
  // A message may name no MRN, and an archive may know the patient by another one.
  if (found.matches.some(({ patientId }) => optedOut.has(patientId)))
    throw new OptedOutError('the patient opted out; nothing was retrieved');
  let congested = false;
  for (const match of found.matches) {
    throwIfCancelled(signal, 'journey');
    const study = new StudyInHand(match, work);
    studies.push(study);
    // The second message for a study waits here, and then finds in raw what the first one brought.
    await parts.studyLock.run(match.studyInstanceUid, async () => {
      await compare(study);
      if (await retrieve(study)) congested = true;
    });
  }
  const lists = listsOf(work, studies, found);
  const ended = (): Pick<Outcome, 'archive' | 'archiveAnswer' | 'studies'> => ({
    archive: archive.name,
    archiveAnswer: congested ? 'congested' : 'ok',
    studies: reportsOf(studies),
  });
  const lacking = notWhole(ended(), lists);
  if (lacking !== null) return lacking;
  if (ended().studies.length === 0) return notFound(ended(), lists, parts.archives.secondary !== null);
  if (parts.anon !== null) for (const study of studies) await deliver(study, parts.anon);
  return endOf(ended(), parts.anon !== null);
}

function listsOf(
  { message }: Work,
  studies: readonly StudyInHand[],
  found: Awaited<ReturnType<typeof findStudy>>,
): Lists {
  const listed = new Set(studies.flatMap(({ expected }) => [...expected.series.keys()]));
  const unusable = [...found.unusable, ...studies.map(({ tally }) => tally.unusable)];
  return {
    absentSeries: new Set(message.seriesInstanceUids.filter((series) => !listed.has(series))).size,
    unmatched: found.unmatched,
    unusable: unusable.reduce((sum, images) => sum + images, 0),
  };
}

/** A study of which the archive lists no instance that was asked for is as good as not found. */
function reportsOf(studies: readonly StudyInHand[]): StudyReport[] {
  return studies.filter(({ tally }) => tally.expected > 0).map(({ tally }) => tally.report());
}

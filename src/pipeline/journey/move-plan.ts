import { throwIfCancelled } from '../../core/cancel.js';
import { PixlError } from '../../core/errors.js';
import { cEcho } from '../../dimse/index.js';
import { listStudy } from '../study-contents.js';
import { BY_IMAGES, type Asking } from './asking.js';
import type { StudyInHand } from './study.js';

/** So many images are worth an association of their own. */
const WORTH_A_LANE = 20;

/** How a round is asked for. The rate may change while it goes on, so what depends on it is asked for each time. */
export interface MovePlan {
  readonly asking: Asking;
  /** Over so many associations at once, as far as nobody else waits for one. */
  readonly lanes: () => number;
  /** UIDs in one request. */
  readonly most: () => number;
}

/**
 * Nothing in raw, and the archive's rate is not limited: the whole of what was asked for, or of a study of some size parts
 * for several associations, for there are archives that need 44 ms for each image on one (docs/field-notes.md). Else single
 * images, which can be asked for one batch at a time.
 */
export function firstPlan(study: StudyInHand): MovePlan {
  const { archive, parts } = study.work;
  const { tally, isAskedWhole } = study;
  const isNew = tally.outstanding === tally.expected - tally.unusable;
  if (!isNew || Number.isFinite(archive.limiter.largestBatch)) return planFor(study, archive.asks);
  const lanes = lanesForAll(study);
  const series = tally.in('listed').size;
  if (lanes === 1)
    return planFor(study, { level: isAskedWhole ? 'STUDY' : 'SERIES', lists: archive.asks.lists });
  const asking: Asking = series < 2 * lanes ? BY_IMAGES : { level: 'SERIES', lists: true };
  const all = asking.level === 'IMAGE' ? tally.outstanding : series;
  const most = Math.min(parts.settings.moveBatch, Math.ceil(all / lanes));
  return { asking, lanes: () => lanes, most: () => most };
}

/** In a given way; single images at a finite rate over as many associations as the limiter can feed. */
export function planFor({ work }: StudyInHand, asking: Asking): MovePlan {
  const { client, limiter } = work.archive;
  const { moveBatch } = work.parts.settings;
  const isFed = (): boolean => asking.level === 'IMAGE' && Number.isFinite(limiter.largestBatch);
  const lanes = (): number =>
    isFed() ? Math.min(client.maxAssociations, Math.max(1, Math.floor(limiter.inFlight / 2))) : 1;
  const share = (): number => (lanes() === 1 ? limiter.largestBatch : Math.floor(limiter.inFlight / lanes()));
  const most = (): number => (isFed() ? Math.max(1, Math.min(moveBatch, share())) : moveBatch);
  return { asking, lanes, most };
}

/** One for a few images, and where single images can't be asked for by lists. */
function lanesForAll({ tally, work }: StudyInHand): number {
  const { archive, parts } = work;
  const { maxAssociations } = archive.client;
  if (archive.asks.level !== 'IMAGE' || !archive.asks.lists) return 1;
  if (tally.outstanding > parts.settings.moveBatch) return maxAssociations;
  return Math.max(1, Math.min(maxAssociations, Math.floor(tally.outstanding / WORTH_A_LANE)));
}

/**
 * How many images the archive sends when it is asked for the study: all that it has, though only some series were asked for. It is
 * what the limiter is charged with.
 */
export async function studySize(study: StudyInHand, { asking }: MovePlan): Promise<number> {
  const { expected, isAskedWhole, match, work } = study;
  if (asking.level !== 'STUDY' || isAskedWhole) return expected.size;
  const counted = match.numberOfInstances ?? expected.counted;
  if (counted !== null) return Math.max(counted, expected.size);
  const { queryTimeoutMs } = work.parts.settings;
  return (await listStudy(work.archive.client, study.studyInstanceUid, null, queryTimeoutMs, work.signal))
    .size;
}

/**
 * The associations for several lanes, open and idle, before the first C-MOVE: dcmqrscp has who associates while it moves
 * wait until that is done (docs/field-notes.md).
 *
 * @returns how many lanes there can be; Infinity where nothing is known against more
 */
export async function openLanes({ work, tally }: StudyInHand, plan: MovePlan): Promise<number> {
  const { archive, parts, signal } = work;
  const lanes = plan.lanes();
  if (lanes === 1 || tally.outstanding <= plan.most()) return Infinity;
  if (!archive.client.hasRoom) return Infinity;
  const echo = (): Promise<void> =>
    archive.client.withQueryRetrieve(
      (association) => cEcho(association, parts.settings.queryTimeoutMs),
      signal,
    );
  const ends = await Promise.allSettled(Array.from({ length: lanes }, echo));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed === undefined) return Infinity;
  const error: unknown = failed.reason;
  if (!(error instanceof PixlError)) throw error;
  throwIfCancelled(signal, 'C-MOVE');
  parts.log.warn({ code: error.code, reason: error.message }, 'a study is moved over one association');
  return 1;
}

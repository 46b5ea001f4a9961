import { throwIfCancelled } from '../core/cancel.js';
import { CancelledError, InternalError } from '../core/errors.js';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import type { Admission } from '../core/rate-limiter/index.js';
import {
  cMove,
  DimseStatusError,
  Status,
  type RetrieveResult,
  type RetrieveSelection,
} from '../dimse/index.js';
import type { Archive, JourneyParts, RetrieveLevel } from './parts.js';
import type { StudyContents } from './study-contents.js';

export interface MoveRequest {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly level: RetrieveLevel;
  /** What the archive lists: what a move at a wider level brings besides what is missing. */
  readonly expected: StudyContents;
  readonly missing: StudyContents;
  /** Asked when the archive is silent: is raw growing all the same? */
  readonly stillMoving: () => Promise<boolean>;
  /** How many images the archive says that it has moved. */
  readonly onMoved: (images: number) => void;
}

/** How the C-MOVEs of a round ended, as the archive says. */
export interface MoveEnd {
  readonly results: readonly RetrieveResult[];
  /** The rate was lowered under a batch that was under way, and it was cut short: what is missing is to be asked for anew. */
  readonly revoked: boolean;
}

/**
 * Asks the archive to move what is missing to raw, at one level, in batches that the archive's limiter admits. A level
 * that is refused is not asked for again.
 *
 * @throws DimseStatusError when the archive refuses for good; what ends an association; CancelledError
 */
export async function moveMissing(
  request: MoveRequest,
  archive: Archive,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<MoveEnd> {
  const results: RetrieveResult[] = [];
  const batches = new Batches(request, parts.settings.moveBatch);
  let done = 0;
  while (!batches.isEmpty) {
    throwIfCancelled(signal, 'C-MOVE');
    const result = await archive.limiter.admitImages(
      batches.nextSize,
      signal,
      (admission) =>
        moveBatch(request, batches.cut(admission.images), admission, done, archive, parts, signal),
      { whole: request.level !== 'IMAGE' },
    );
    if (result === 'revoked') return { results, revoked: true };
    results.push(result);
    done += result.subOperations.completed ?? 0;
    // These no other level and no other round can mend.
    if (result.status === Status.MoveDestinationUnknown || result.status === Status.NotAuthorized)
      throw new DimseStatusError(archive.client.name, 'C-MOVE', result.status);
    if (refusesLevel(result.status)) break;
  }
  return { results, revoked: false };
}

/** One C-MOVE. Those of a study share an association as long as they follow on each other. */
async function moveBatch(
  request: MoveRequest,
  selection: RetrieveSelection,
  admission: Admission,
  doneBefore: number,
  archive: Archive,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<RetrieveResult | 'revoked'> {
  const either = AbortSignal.any([signal, admission.revoked]);
  try {
    const result = await archive.client.withQueryRetrieve(async (association) => {
      const responses = cMove(association, {
        selection,
        moveDestination: parts.raw.node.aeTitle,
        silenceMs: parts.settings.transferTimeoutMs,
        stillMoving: request.stillMoving,
        signal: either,
      });
      for (;;) {
        const step = await responses.next();
        if (step.done === true) return step.value;
        request.onMoved(doneBefore + (step.value.completed ?? 0));
      }
    });
    if (refusesLevel(result.status)) admission.giveBack(admission.images);
    return result;
  } catch (error) {
    if (error instanceof CancelledError && admission.revoked.aborted && !signal.aborted) return 'revoked';
    throw error;
  }
}

/** "I don't do that at this level", or "unable to process", which some archives say for the same (SPEC 2.5). */
export function refusesLevel(status: number): boolean {
  return (
    status === Status.IdentifierDoesNotMatchSopClass ||
    status === Status.SopClassNotSupported ||
    (status & 0xf000) === 0xc000
  );
}

/**
 * What is still to be asked for in a round. At IMAGE level requests are cut by series, because there are archives that
 * move nothing when a list spans two, to `batch` UIDs each, and to what the limiter admits; at wider levels they come
 * whole, and weigh what the archive will send for them.
 */
class Batches {
  readonly #request: MoveRequest;
  readonly #batch: number;
  readonly #series: { readonly uid: SeriesInstanceUid; left: SopInstanceUid[] }[];
  #studyAsked = false;

  constructor(request: MoveRequest, batch: number) {
    this.#request = request;
    this.#batch = batch;
    this.#series = [...request.missing.series].map(([uid, instances]) => ({
      uid,
      left: [...instances.keys()],
    }));
  }

  get isEmpty(): boolean {
    return this.#series.length === 0 || this.#studyAsked;
  }

  /** How many images the next request brings, at most. */
  get nextSize(): number {
    const { level, expected } = this.#request;
    switch (level) {
      case 'STUDY':
        return expected.size;
      case 'SERIES':
        return this.#nextSeries().reduce((sum, { uid }) => sum + (expected.series.get(uid)?.size ?? 0), 0);
      case 'IMAGE':
        return Math.min(this.#batch, this.#series[0]?.left.length ?? 0);
    }
  }

  /** The next request, at IMAGE level of so many images. */
  cut(images: number): RetrieveSelection {
    const { level, studyInstanceUid } = this.#request;
    switch (level) {
      case 'STUDY':
        this.#studyAsked = true;
        return { level, studyInstanceUid };
      case 'SERIES':
        return {
          level,
          studyInstanceUid,
          seriesInstanceUids: this.#series.splice(0, this.#batch).map(({ uid }) => uid),
        };
      case 'IMAGE':
        return { level, studyInstanceUid, ...this.#cutImages(images) };
    }
  }

  #nextSeries(): readonly { readonly uid: SeriesInstanceUid }[] {
    return this.#series.slice(0, this.#batch);
  }

  #cutImages(images: number): { seriesInstanceUid: SeriesInstanceUid; sopInstanceUids: SopInstanceUid[] } {
    const [first] = this.#series;
    if (first === undefined) throw new InternalError('no batch is left');
    const sopInstanceUids = first.left.splice(0, images);
    if (first.left.length === 0) this.#series.shift();
    return { seriesInstanceUid: first.uid, sopInstanceUids };
  }
}

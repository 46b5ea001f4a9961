import { throwIfCancelled, withEither } from '../core/cancel.js';
import { CancelledError, InternalError, PixlError } from '../core/errors.js';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import type { Admission } from '../core/rate-limiter/index.js';
import {
  cEcho,
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
  /** Over so many associations at once, as long as nobody else waits for one. */
  readonly lanes: number;
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
  return new MoveRun(request, archive, parts, signal).run();
}

class MoveRun {
  readonly #request: MoveRequest;
  readonly #archive: Archive;
  readonly #parts: JourneyParts;
  readonly #signal: AbortSignal;
  readonly #batches: Batches;
  readonly #results: RetrieveResult[] = [];
  /** Images of C-MOVEs that have ended, and by lane of the one that is under way. */
  #done = 0;
  readonly #underWay: number[] = [];
  #revoked = false;
  /** Nothing more is asked for; what has been asked for goes on. */
  #stopped = false;

  constructor(request: MoveRequest, archive: Archive, parts: JourneyParts, signal: AbortSignal) {
    this.#request = request;
    this.#archive = archive;
    this.#parts = parts;
    this.#signal = signal;
    this.#batches = new Batches(request, parts.settings.moveBatch);
  }

  async run(): Promise<MoveEnd> {
    const spare = await this.#openSpare();
    const lanes = Array.from({ length: spare }, (_, lane) => this.#spareLane(lane + 1));
    const ends = await Promise.allSettled([this.#lane(0), ...lanes]);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return { results: this.#results, revoked: this.#revoked };
  }

  /**
   * The associations for several lanes, open and idle, before the first C-MOVE: dcmqrscp has who associates while it moves
   * wait until that is done (docs/field-notes.md).
   *
   * @returns how many spare lanes there can be
   */
  async #openSpare(): Promise<number> {
    const { lanes } = this.#request;
    const { client } = this.#archive;
    if (lanes === 1 || !client.hasRoom) return 0;
    const { queryTimeoutMs } = this.#parts.settings;
    const echo = (): Promise<void> =>
      client.withQueryRetrieve((association) => cEcho(association, queryTimeoutMs), this.#signal);
    const ends = await Promise.allSettled(Array.from({ length: lanes }, echo));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed === undefined) return lanes - 1;
    const error: unknown = failed.reason;
    if (!(error instanceof PixlError)) throw error;
    throwIfCancelled(this.#signal, 'C-MOVE');
    this.#parts.log.warn(
      { code: error.code, reason: error.message },
      'a study is moved over one association',
    );
    return 0;
  }

  /** What one that breaks was to bring is missing still, and is asked for again in the next round. */
  async #spareLane(lane: number): Promise<void> {
    try {
      await this.#lane(lane);
    } catch (error) {
      if (!(error instanceof PixlError) || error instanceof DimseStatusError) throw error;
      this.#parts.log.warn({ code: error.code, reason: error.message }, 'one C-MOVE of several has failed');
    }
  }

  /** One batch after the other; spare lanes end when somebody else waits for their association. */
  async #lane(lane: number): Promise<void> {
    try {
      while (!this.#batches.isEmpty && !this.#stopped) {
        if (lane > 0 && this.#archive.client.isWaitedFor('query')) return;
        throwIfCancelled(this.#signal, 'C-MOVE');
        await this.#archive.limiter.admitImages(
          this.#batches.nextSize,
          this.#signal,
          (admission) => this.#batch(lane, admission),
          { whole: this.#request.level !== 'IMAGE' },
        );
      }
    } catch (error) {
      this.#stopped ||= lane === 0 || error instanceof DimseStatusError;
      throw error;
    }
  }

  async #batch(lane: number, admission: Admission): Promise<void> {
    // Another lane may have taken the last one while this one waited.
    if (this.#batches.isEmpty) {
      admission.giveBack(admission.images);
      return;
    }
    const request = { ...this.#request, onMoved: (images: number) => this.#moved(lane, images) };
    const selection = this.#batches.cut(admission.images);
    const result = await moveBatch(request, selection, admission, this.#archive, this.#parts, this.#signal);
    this.#underWay[lane] = 0;
    if (result === 'revoked') {
      this.#revoked = this.#stopped = true;
      return;
    }
    this.#results.push(result);
    this.#done += result.subOperations.completed ?? 0;
    // These no other level and no other round can mend.
    if (result.status === Status.MoveDestinationUnknown || result.status === Status.NotAuthorized)
      throw new DimseStatusError(this.#archive.client.name, 'C-MOVE', result.status);
    if (refusesLevel(result.status)) this.#stopped = true;
  }

  #moved(lane: number, images: number): void {
    this.#underWay[lane] = images;
    this.#request.onMoved(this.#underWay.reduce((sum, moved) => sum + moved, this.#done));
  }
}

/** One C-MOVE. Those of a study share an association as long as they follow on each other. */
async function moveBatch(
  request: MoveRequest,
  selection: RetrieveSelection,
  admission: Admission,
  archive: Archive,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<RetrieveResult | 'revoked'> {
  const move = (either: AbortSignal): Promise<RetrieveResult> =>
    archive.client.withMove(async (association) => {
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
        request.onMoved(step.value.completed ?? 0);
      }
    }, either);
  try {
    const result = await withEither(signal, admission.revoked, move);
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
 * move nothing when a list spans two, to `batch` UIDs each or a lane's fair share, and to what the limiter admits; at wider
 * levels they come whole, and weigh what the archive will send for them.
 */
class Batches {
  readonly #request: MoveRequest;
  readonly #batch: number;
  readonly #series: { readonly uid: SeriesInstanceUid; left: SopInstanceUid[] }[];
  #studyAsked = false;

  constructor(request: MoveRequest, batch: number) {
    this.#request = request;
    const { level, missing, lanes } = request;
    const all = level === 'IMAGE' ? missing.size : missing.series.size;
    this.#batch = lanes === 1 ? batch : Math.min(batch, Math.ceil(all / lanes));
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

import { throwIfCancelled, withEither } from '../../core/cancel.js';
import { CancelledError, PixlError } from '../../core/errors.js';
import type { Admission } from '../../core/rate-limiter/index.js';
import { cMove, DimseStatusError, Status, type RetrieveResult } from '../../dimse/index.js';
import { runLanes, type Lane, type LaneWork } from '../lanes/run-lanes.js';
import { refusalOf, type Refusal } from './asking.js';
import { openLanes, studySize, type MovePlan } from './move-plan.js';
import { Requests, type Request } from './requests.js';
import type { StudyInHand } from './study.js';

/** How the C-MOVEs of a round ended, as the archive says. */
export interface MoveEnd {
  readonly results: readonly RetrieveResult[];
  /** It does not want to be asked in this way, and has answered no request. */
  readonly refusal: Refusal | null;
  /** The rate was lowered under a batch that was under way, and it was cut short: what is missing is to be asked for anew. */
  readonly revoked: boolean;
}

/**
 * Asks the archive to move to raw what raw lacks, in requests that the archive's limiter admits. A way of asking that is refused is
 * not tried again.
 *
 * @throws DimseStatusError when the archive refuses for good; what ends an association; CancelledError
 */
export async function moveOutstanding(study: StudyInHand, plan: MovePlan): Promise<MoveEnd> {
  const moves = new Moves(study, plan, await studySize(study, plan));
  const possible = await openLanes(study, plan);
  await runLanes(moves, () => Math.min(possible, plan.lanes()), study.work.signal);
  return moves.end;
}

class Moves implements LaneWork {
  readonly operation = 'C-MOVE';
  readonly #study: StudyInHand;
  readonly #requests: Requests;
  readonly #results: RetrieveResult[] = [];
  #refusal: Refusal | null = null;
  #answered = false;
  #revoked = false;
  /** Images that the archive says it has sent, of C-MOVEs that have ended and of those that are under way. */
  #done = 0;
  readonly #underWay = new Map<Request, number>();

  constructor(study: StudyInHand, { asking, most }: MovePlan, studySize: number) {
    const { studyInstanceUid, expected, tally } = study;
    this.#study = study;
    this.#requests = new Requests({
      ...{ studyInstanceUid, asking, most },
      wanted: tally.in('listed'),
      imagesOf: (series) => (series === null ? studySize : (expected.series.get(series)?.size ?? 0)),
    });
  }

  get end(): MoveEnd {
    const refusal = this.#answered && this.#refusal === 'level' ? null : this.#refusal;
    return { results: this.#results, refusal, revoked: this.#revoked };
  }

  get hasMore(): boolean {
    return !this.#requests.isEmpty;
  }

  /** Who waits for the limiter already is fed before another lane would be. */
  get hasRoom(): boolean {
    const { client, limiter } = this.#study.work.archive;
    return client.hasRoom && limiter.waiting === 0;
  }

  stop(): void {
    this.#requests.drop();
  }

  /** What an extra lane that breaks was to bring is missing still, and is asked for again in the next round. */
  async run(lane: Lane): Promise<void> {
    try {
      await this.#run(lane);
    } catch (error) {
      if (!lane.isExtra || !(error instanceof PixlError) || error instanceof DimseStatusError) throw error;
      const { code, message: reason } = error;
      this.#study.work.parts.log.warn({ code, reason }, 'one C-MOVE of several has failed');
    }
  }

  async #run(lane: Lane): Promise<void> {
    const { archive, signal } = this.#study.work;
    const { client, limiter } = archive;
    while (this.hasMore) {
      if (lane.isExtra && (client.isWaitedFor('query') || limiter.waiting > 0)) return;
      throwIfCancelled(signal, 'C-MOVE');
      await limiter.admitImages(
        this.#requests.nextSize,
        signal,
        async (admission) => {
          // Another lane may have taken the last one while this one waited.
          if (!this.hasMore) {
            admission.giveBack(admission.images);
            return;
          }
          const request = this.#requests.take(admission.images);
          lane.begun();
          await this.#move(request, admission);
        },
        { whole: this.#requests.isWhole },
      );
    }
  }

  async #move(request: Request, admission: Admission): Promise<void> {
    const { archive, signal } = this.#study.work;
    let result: RetrieveResult;
    try {
      result = await withEither(signal, admission.revoked, (either) => this.#cMove(request, either));
    } catch (error) {
      if (!(error instanceof CancelledError) || !admission.revoked.aborted || signal.aborted) throw error;
      this.#revoked = true;
      this.stop();
      return;
    } finally {
      this.#underWay.delete(request);
    }
    this.#results.push(result);
    this.#done += result.subOperations.completed ?? 0;
    const refusal = refusalOf(result.status, request.selection);
    // These no other way and no other round can mend.
    if (refusal === 'destination' || result.status === Status.NotAuthorized)
      throw new DimseStatusError(archive.client.name, 'C-MOVE', result.status);
    if (refusal === null) this.#answered = true;
    else {
      admission.giveBack(admission.images);
      if (this.#refusal !== 'list') this.#refusal = refusal;
      this.stop();
    }
  }

  async #cMove(request: Request, signal: AbortSignal): Promise<RetrieveResult> {
    const { archive, parts } = this.#study.work;
    return archive.client.withMove(async (association) => {
      const responses = cMove(association, {
        selection: request.selection,
        moveDestination: parts.raw.node.aeTitle,
        silenceMs: parts.settings.transferTimeoutMs,
        stillMoving: () => this.#hasGrown(parts.settings.transferTimeoutMs),
        signal,
      });
      for (;;) {
        const step = await responses.next();
        if (step.done === true) return step.value;
        this.#moved(request, step.value.completed ?? 0);
      }
    }, signal);
  }

  /** Whether raw has grown, by whatever lane, since the archive fell silent. */
  async #hasGrown(silenceMs: number): Promise<boolean> {
    const silentSince = performance.now() - silenceMs;
    await this.#study.look();
    return this.#study.tally.lastGrowthAt > silentSince;
  }

  #moved(request: Request, images: number): void {
    this.#underWay.set(request, images);
    const underWay = [...this.#underWay.values()].reduce((sum, moved) => sum + moved, 0);
    this.#study.progress('retrieve', this.#done + underWay);
  }
}

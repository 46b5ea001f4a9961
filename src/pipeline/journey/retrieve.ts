import { pause } from '../../core/cancel.js';
import { PixlError } from '../../core/errors.js';
import { Status } from '../../dimse/index.js';
import { nextAsking, type Asking } from './asking.js';
import { firstPlan, planFor, type MovePlan } from './move-plan.js';
import { moveOutstanding, type MoveEnd } from './moves.js';
import type { StudyInHand } from './study.js';

const RAW_POLL_MS = 250;
/** Statuses of a peer that has too much to do (PS3.4 C.4.1.1.4, C.4.2.1.5). */
export const OUT_OF_RESOURCES: ReadonlySet<number> = new Set([
  Status.OutOfResources,
  Status.OutOfResourcesMatches,
]);

/**
 * Step 3: C-MOVE to raw of what raw lacks, until raw holds every instance that the archive lists, or the rounds
 * are over. Statuses and counters of the C-MOVE decide nothing but how to ask next.
 *
 * @returns whether the archive refused for want of resources, or said success and sent nothing
 * @throws DimseStatusError when the archive refuses for good (destination unknown, not authorized); what ends an
 *   association, unless everything has arrived before; CancelledError
 */
export async function retrieve(study: StudyInHand): Promise<boolean> {
  const { tally, work } = study;
  const { archive, parts } = work;
  let congested = false;
  let plan = firstPlan(study);
  let tried: Asking[] = [];
  for (let round = 1; round <= parts.settings.retrieveAttempts && tally.outstanding > 0;) {
    const lacked = tally.outstanding;
    const end = await ask(study, plan);
    if (end.revoked) {
      // The limiter cut it short: no fault of the archive's. What was moved whole may now be more than a batch.
      plan = firstPlan(study);
      tried = [];
      continue;
    }
    const nothingCame = tally.outstanding >= lacked;
    congested ||= isCongestion(end, nothingCame);
    if (end.refusal !== null && (nothingCame || end.refusal === 'list')) {
      tried.push(plan.asking);
      const exact = Number.isFinite(archive.limiter.largestBatch);
      const next = nextAsking(plan.asking, end.refusal, tried, exact);
      if (next !== null) {
        plan = planFor(study, next);
        continue;
      }
    }
    // What brings something where another way was refused is what this archive can do.
    if (tried.length > 0 && !nothingCame) archive.asks = plan.asking;
    round += 1;
    plan = planFor(study, archive.asks);
    tried = [];
  }
  tally.giveUp();
  return congested;
}

function isCongestion({ results }: MoveEnd, nothingCame: boolean): boolean {
  return results.some(
    ({ status }) => OUT_OF_RESOURCES.has(status) || (status === Status.Success && nothingCame),
  );
}

/** One round in one way; afterwards raw has been asked what came. */
async function ask(study: StudyInHand, plan: MovePlan): Promise<MoveEnd> {
  const { tally, work } = study;
  try {
    const end = await moveOutstanding(study, plan);
    await study.look();
    if (end.results.some(({ status }) => status === Status.Success)) await settle(study);
    return end;
  } catch (error) {
    if (!(error instanceof PixlError) || work.signal.aborted) throw error;
    await study.look();
    if (tally.outstanding > 0) throw error;
    return { results: [], refusal: null, revoked: false };
  } finally {
    study.progress('retrieve');
  }
}

/** There are archives that answer success first and send then: wait while raw grows, and a little longer. */
async function settle(study: StudyInHand): Promise<void> {
  const { tally, work } = study;
  const begunAt = performance.now();
  const quietMs = (): number => performance.now() - Math.max(begunAt, tally.lastGrowthAt);
  while (tally.outstanding > 0 && quietMs() < work.parts.settings.settleMs) {
    await pause(RAW_POLL_MS, work.signal, 'C-MOVE');
    await study.look();
  }
}

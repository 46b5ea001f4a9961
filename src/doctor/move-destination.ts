import type { NodeConfig } from '../core/config/index.js';
import { CancelledError } from '../core/errors.js';
import { SharedLimiterError, type RateLimiter } from '../core/rate-limiter/index.js';
import {
  cMove,
  describeStatus,
  isWarning,
  Status,
  type RetrieveResult,
  type RetrieveSelection,
} from '../dimse/index.js';
import { sound, untold, wrong, type Check, type Finding } from './check.js';
import { queryCheckName, UNUSED_STUDY, type ExaminedNode } from './node-checks.js';
import { aeTitleVariable, nodeMend } from './node-mends.js';
import { probeImage, type AllowedStudies } from './probe-image.js';

/** The rates at which images may leave the archives. */
export interface ImageRate {
  /** Whether what is admitted here counts for the daemons, too. */
  readonly isShared: boolean;
  readonly limiterOf: (archive: NodeConfig) => Promise<RateLimiter>;
}

/** The whole check has more, for the move itself. */
const RATE_PATIENCE_MS = 5_000;

/**
 * Does an archive know raw's AE title, and where raw is?
 *
 * It is asked to move a study that nobody has. Some archives look at the destination first and refuse an unknown one with
 * 0xA801; others (dcmqrscp, Orthanc) find nothing to move and say the same in both cases (docs/field-notes.md). With those
 * only an image tells, one that may be in raw.
 */
export function moveDestinationCheck(archive: ExaminedNode, allowed: AllowedStudies, rate: ImageRate): Check {
  const raw = allowed.raw.node;
  return {
    name: `${archive.node.name}: move destination`,
    after: [queryCheckName(archive.node), queryCheckName(raw)],
    run: async (signal) => {
      const first = await moveOf(archive, raw, { level: 'STUDY', studyInstanceUid: UNUSED_STUDY });
      if (isRefusal(first.status)) return refused(first, archive.node, raw);
      const image = await probeImage(archive, allowed, signal);
      if (typeof image === 'string') return untold(image);
      const moved = await admitted(rate, archive, signal, () => moveOf(archive, raw, image));
      if (typeof moved === 'string')
        return untold(`${archive.node.aeTitle} does not tell without an image to move: ${moved}`);
      return judged(moved, archive.node, raw, rate.isShared);
    },
    mendOf: nodeMend(archive.node, archive.ours, 'C-MOVE'),
  };
}

/**
 * Runs `move` within the archive's image rate, as one image.
 *
 * @returns what came of it; in words, why the rate lets no image out now
 */
async function admitted(
  rate: ImageRate,
  { node }: ExaminedNode,
  signal: AbortSignal,
  move: () => Promise<RetrieveResult>,
): Promise<RetrieveResult | string> {
  const limiter = await rate.limiterOf(node).catch((error: unknown) => {
    if (error instanceof SharedLimiterError) return error; // Redis has a line of its own
    throw error;
  });
  if (limiter instanceof SharedLimiterError) return limiter.message;
  const patience = AbortSignal.timeout(RATE_PATIENCE_MS);
  try {
    return await limiter.admitImages(1, AbortSignal.any([signal, patience]), move);
  } catch (error) {
    if (!(error instanceof CancelledError) || !patience.aborted) throw error;
    const { reason, rate: perSecond } = limiter.state();
    return `none may leave it within ${RATE_PATIENCE_MS / 1000} s (${reason ?? `an image rate of ${perSecond}`})`;
  }
}

/** A status that says no whatever the move is for. Of 0xCxxx that can't be said: Orthanc's answer to "no match" is one. */
function isRefusal(status: number): boolean {
  return (
    status === Status.MoveDestinationUnknown ||
    status === Status.NotAuthorized ||
    (status & 0xff00) === 0xa700
  );
}

function refused({ status }: RetrieveResult, archive: NodeConfig, raw: NodeConfig): Finding {
  const detail = `${archive.aeTitle} does not move to ${raw.aeTitle}: ${describeStatus('C-MOVE', status)}`;
  if (status === Status.NotAuthorized)
    return wrong(detail, `allow C-MOVE to ${raw.aeTitle} for our AE title at ${archive.aeTitle}`);
  return wrong(detail, destinationMend(archive, raw));
}

function destinationMend(archive: NodeConfig, raw: NodeConfig): string {
  return (
    `enter ${raw.aeTitle}, with the host and port at which ${archive.aeTitle} reaches it, as a move destination at ` +
    `${archive.aeTitle}; or correct ${aeTitleVariable('raw')} (${raw.aeTitle})`
  );
}

/** What came of the move of one image. */
function judged(result: RetrieveResult, archive: NodeConfig, raw: NodeConfig, isShared: boolean): Finding {
  const { status, subOperations } = result;
  const arrived = (subOperations.completed ?? 0) + (subOperations.warning ?? 0);
  if (arrived > 0)
    return sound(
      `${archive.aeTitle} knows ${raw.aeTitle}: one image was moved there, ${isShared ? 'which counts for the image rate that all daemons share' : "within doctor's own image rate: no daemon's counts it"}`,
    );
  if (isRefusal(status) || (status & 0xf000) === 0xc000 || isWarning(status))
    return refused(result, archive, raw);
  return untold(
    `${archive.aeTitle} answered ${describeStatus('C-MOVE', status)} and says of no image that it was moved`,
  );
}

async function moveOf(
  { client, queryTimeoutMs }: ExaminedNode,
  raw: NodeConfig,
  selection: RetrieveSelection,
): Promise<RetrieveResult> {
  return client.withQueryRetrieve(async (association) => {
    const moving = cMove(association, {
      selection,
      moveDestination: raw.aeTitle,
      silenceMs: queryTimeoutMs,
    });
    for (;;) {
      const step = await moving.next();
      if (step.done === true) return step.value;
    }
  });
}

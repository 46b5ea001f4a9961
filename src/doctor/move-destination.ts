import type { NodeConfig } from '../core/config/index.js';
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

/**
 * Does an archive know raw's AE title, and where raw is?
 *
 * It is asked to move a study that nobody has. Some archives look at the destination first and refuse an unknown one with
 * 0xA801; others (dcmqrscp, Orthanc) find nothing to move and say the same in both cases (docs/field-notes.md). With those
 * only an image tells, one that may be in raw.
 */
export function moveDestinationCheck(archive: ExaminedNode, allowed: AllowedStudies): Check {
  const raw = allowed.raw.node;
  return {
    name: `${archive.node.name}: move destination`,
    after: [queryCheckName(archive.node), queryCheckName(raw)],
    run: async (signal) => {
      const first = await moveOf(archive, raw, { level: 'STUDY', studyInstanceUid: UNUSED_STUDY });
      if (isRefusal(first.status)) return refused(first, archive.node, raw);
      const image = await probeImage(archive, allowed, signal);
      if (typeof image === 'string') return untold(image);
      return judged(await moveOf(archive, raw, image), archive.node, raw);
    },
    mendOf: nodeMend(archive.node, archive.ours, 'C-MOVE'),
  };
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
function judged(result: RetrieveResult, archive: NodeConfig, raw: NodeConfig): Finding {
  const { status, subOperations } = result;
  const arrived = (subOperations.completed ?? 0) + (subOperations.warning ?? 0);
  if (arrived > 0)
    return sound(
      `${archive.aeTitle} knows ${raw.aeTitle}: one image was moved there, which doctor did by itself: it counts for no daemon's image rate`,
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

import type { Config, NodeConfig } from '../core/config/index.js';
import { isOpen, parseAllowedHours } from '../core/hours.js';
import type { StudyInstanceUid } from '../core/ids.js';
import type { ArchiveName } from '../core/outcome.js';
import {
  cMove,
  describeStatus,
  isWarning,
  someStudies,
  Status,
  type RetrieveResult,
  type RetrieveSelection,
} from '../dimse/index.js';
import { listStudy, type StudyContents } from '../pipeline/index.js';
import { sound, untold, wrong, type Check, type Finding } from './check.js';
import { queryCheckName, UNUSED_STUDY, type ExaminedNode } from './node-checks.js';
import { aeTitleVariable, nodeMend } from './node-mends.js';

/** Studies of raw that an archive is asked for until it has one. */
const CANDIDATES = 5;

/**
 * Does an archive know raw's AE title, and where raw is?
 *
 * It is asked to move a study that nobody has. Some archives look at the destination first and refuse an unknown one with
 * 0xA801; others (dcmqrscp, Orthanc) find nothing to move and say the same in both cases (docs/field-notes.md). With those
 * only an image tells: one that raw holds already, moved there once more, or one of a study that the user names.
 */
export function moveDestinationCheck(
  archive: ExaminedNode,
  raw: ExaminedNode,
  hours: Config['hours'],
  testStudy: StudyInstanceUid | null,
): Check {
  const name = archive.node.name as ArchiveName;
  return {
    name: `${name}: move destination`,
    after: [queryCheckName(archive.node), queryCheckName(raw.node)],
    run: async (signal) => {
      if (!isOpen(parseAllowedHours(hours[name]), new Date(), hours.timeZone))
        return untold(`not asked outside the archive's hours (${hours[name]})`);
      const first = await moveOf(archive, raw.node, { level: 'STUDY', studyInstanceUid: UNUSED_STUDY });
      if (isRefusal(first.status)) return refused(first, archive.node, raw.node);
      const image = await probeImage(archive, raw, testStudy, signal);
      if (typeof image === 'string') return untold(image);
      return judged(await moveOf(archive, raw.node, image), archive.node, raw.node);
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
  if (arrived > 0) return sound(`${archive.aeTitle} knows ${raw.aeTitle}: one image was moved there`);
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

/** One image whose move brings raw nothing that it may not have; or why there is none. */
async function probeImage(
  archive: ExaminedNode,
  raw: ExaminedNode,
  testStudy: StudyInstanceUid | null,
  signal: AbortSignal,
): Promise<RetrieveSelection | string> {
  const list = ({ client, queryTimeoutMs }: ExaminedNode, study: StudyInstanceUid): Promise<StudyContents> =>
    listStudy(client, study, null, queryTimeoutMs, signal);
  if (testStudy !== null)
    return (
      firstImage(testStudy, await list(archive, testStudy)) ??
      `the study of --study-uid is not in ${archive.node.aeTitle}`
    );
  const held = await raw.client.withQueryRetrieve(
    (association) => someStudies(association, CANDIDATES, raw.queryTimeoutMs),
    signal,
  );
  for (const study of held) {
    const inBoth = (await list(archive, study)).sharedWith(await list(raw, study));
    const image = firstImage(study, inBoth);
    if (image !== null) return image;
  }
  return (
    `${archive.node.aeTitle} does not tell without an image to move, and raw holds none of its studies: ` +
    'name a test study with --study-uid; one image of it is moved to raw'
  );
}

function firstImage(studyInstanceUid: StudyInstanceUid, contents: StudyContents): RetrieveSelection | null {
  for (const [seriesInstanceUid, instances] of contents.series)
    for (const sopInstanceUid of instances.keys())
      return { level: 'IMAGE', studyInstanceUid, seriesInstanceUid, sopInstanceUids: [sopInstanceUid] };
  return null;
}

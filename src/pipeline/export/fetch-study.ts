import { throwIfCancelled } from '../../core/cancel.js';
import type { SopInstanceUid, StudyInstanceUid } from '../../core/ids.js';
import { cGet, Status, type IncomingInstance, type NodeClient } from '../../dimse/index.js';
import { GET_CONTEXT, selectionsOf, storageContexts } from '../get-plan.js';
import { lastResortGroups, sopClassGroups, type SopClassGroup } from '../sop-class-groups.js';
import type { StudyContents } from '../study-contents.js';

export interface FetchRequest {
  readonly studyInstanceUid: StudyInstanceUid;
  /** All that the node lists of it. */
  readonly contents: StudyContents;
  /** Most UIDs in the list of one C-GET. */
  readonly batch: number;
  /** The longest silence of the node, in milliseconds. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/**
 * Gets a study from a node by C-GET, each instance once and as a stream: the node is read as fast as `onInstance` reads
 * the data set.
 *
 * @returns what the node lists and did not send
 * @throws what ended an association; CancelledError; what `onInstance` throws
 */
export async function fetchStudy(
  node: NodeClient,
  request: FetchRequest,
  onInstance: (instance: IncomingInstance) => Promise<void>,
): Promise<SopInstanceUid[]> {
  const wanted = new Set<string>(request.contents.sopInstanceUids);
  const fetch = async (group: SopClassGroup): Promise<void> => {
    let before = Infinity;
    let left = group.sopInstanceUids.filter((uid) => wanted.has(uid));
    // A node may end a C-GET early; while it brings something it is asked for what is left.
    while (left.length > 0 && left.length < before) {
      throwIfCancelled(request.signal, 'C-GET');
      before = left.length;
      await fetchGroup(node, group, new Set(left), request, async (instance) => {
        if (!wanted.has(instance.sopInstanceUid)) return;
        await onInstance(instance);
        wanted.delete(instance.sopInstanceUid);
      });
      left = group.guessed ? [] : left.filter((uid) => wanted.has(uid));
    }
  };
  for (const group of sopClassGroups(request.contents)) await fetch(group);
  const left = request.contents.sopInstanceUids.filter((uid) => wanted.has(uid));
  for (const group of lastResortGroups(request.contents, left)) await fetch(group);
  return request.contents.sopInstanceUids.filter((uid) => wanted.has(uid));
}

async function fetchGroup(
  node: NodeClient,
  group: SopClassGroup,
  wanted: ReadonlySet<SopInstanceUid>,
  request: FetchRequest,
  onInstance: (instance: IncomingInstance) => Promise<void>,
): Promise<void> {
  const contexts = storageContexts(group).map((context) => ({ ...context, asScp: true }));
  await node.withAssociation(
    [GET_CONTEXT, ...contexts],
    async (association) => {
      for (const selection of selectionsOf(wanted, { ...request, wholeStudy: true }))
        await cGet(
          association,
          selection,
          async (instance) => {
            await onInstance(instance);
            return Status.Success;
          },
          request.silenceMs,
        );
    },
    request.signal,
  );
}

import { throwIfCancelled } from '../../core/cancel.js';
import type { SopInstanceUid } from '../../core/ids.js';
import type { NodeClient } from '../../dimse/index.js';
import { runLanes } from '../lanes/run-lanes.js';
import { lastResortGroups, sopClassGroups, type SopClassGroup } from '../sop-class-groups.js';
import { StudyContents } from '../study-contents.js';
import { nextAsking, type Asking } from './asking.js';
import { Deliveries, SMALLEST_PORTION } from './deliveries.js';
import { Requests } from './requests.js';
import type { StudyInHand } from './study.js';

/**
 * Step 4: each instance from raw to anon, as a stream. What anon has acknowledged, and what it refused, is in the tally,
 * whatever this ends with.
 *
 * @throws what ended an association; CancelledError
 */
export async function deliver(study: StudyInHand, anon: NodeClient): Promise<void> {
  study.progress('deliver');
  const held = study.tally.in('held');
  const contents = new StudyContents(
    new Map([...held].map(([series, all]) => [series, new Map(all.map((one) => [one.sopInstanceUid, one]))])),
  );
  const { parts, signal } = study.work;
  await parts.originals.toBeDelivered(study.studyInstanceUid, contents.sopInstanceUids, signal);
  for (const group of sopClassGroups(contents)) await deliverGroup(study, contents, group, anon);
  for (const uid of unsettled(study)) study.tally.move(uid, 'refused', 'the raw store did not send it');
}

/**
 * Relays the instances in portions; those that raw did not send are asked for again, in another way where raw refuses this one, and when nothing
 * came at all in smaller portions, so that one instance that can't be sent does not keep back the others. Each round
 * settles an instance, halves the portions or tries another way, which bounds the rounds.
 */
async function deliverGroup(
  study: StudyInHand,
  contents: StudyContents,
  group: SopClassGroup,
  anon: NodeClient,
): Promise<void> {
  const { work } = study;
  const { raw, rawMemory, settings } = work.parts;
  const lanes = Math.min(raw.maxAssociations, anon.maxAssociations);
  let left = unsettled(study, group);
  let most = portionOf(left.length, lanes, settings.moveBatch);
  let asking = firstAsking(study, left, most);
  let tried: Asking[] = [];
  while (left.length > 0) {
    throwIfCancelled(work.signal, 'delivery');
    const deliveries = new Deliveries(study, group, anon, requestsFor(study, left, asking, most));
    await runLanes(deliveries, () => (asking.level === 'IMAGE' ? lanes : 1), work.signal);
    if (group.guessed && deliveries.brokenOff === 0) return;
    const still = unsettled(study, group);
    const nothingCame = still.length === left.length;
    const { refusal } = deliveries;
    const next =
      nothingCame && refusal !== null ? nextAsking(asking, refusal, [...tried, asking], false) : null;
    if (next !== null) {
      tried.push(asking);
      asking = next;
      continue;
    }
    if (nothingCame && (most === 1 || tried.length > 0)) {
      await lastResort(study, contents, still, anon, (uid) => deliveries.endOf(uid));
      return;
    }
    // What brings something where another way was refused is what this raw can do.
    if (tried.length > 0) rawMemory.asks = asking;
    else asking = rawMemory.asks;
    tried = [];
    if (nothingCame) most = asking.lists ? Math.ceil(Math.min(most, left.length) / 2) : 1;
    left = still;
  }
}

/**
 * In every transfer syntax that is known, whatever anon takes: what can't be passed on is then known by the syntax in which
 * raw has it.
 */
async function lastResort(
  study: StudyInHand,
  contents: StudyContents,
  left: readonly SopInstanceUid[],
  anon: NodeClient,
  endBefore: (uid: SopInstanceUid) => string,
): Promise<void> {
  const { tally, work } = study;
  const ends = new Map(left.map((uid) => [uid, endBefore(uid)]));
  for (const group of lastResortGroups(contents, left)) {
    for (let isBrokenOff = true; isBrokenOff;) {
      throwIfCancelled(work.signal, 'delivery');
      const requests = requestsFor(study, unsettled(study, group), work.parts.rawMemory.asks, 1);
      const deliveries = new Deliveries(study, group, anon, requests, true);
      await runLanes(deliveries, () => 1, work.signal);
      for (const uid of group.sopInstanceUids) ends.set(uid, deliveries.endOf(uid));
      isBrokenOff = deliveries.brokenOff > 0;
    }
  }
  for (const uid of left)
    if (tally.fateOf(uid) === 'held')
      tally.move(uid, 'refused', `the raw store did not send it${ends.get(uid) ?? ''}`);
}

/** What has neither been delivered nor refused. */
function unsettled({ tally }: StudyInHand, group?: SopClassGroup): SopInstanceUid[] {
  const wanted = group === undefined ? null : new Set(group.sopInstanceUids);
  return [...tally.in('held').values()]
    .flat()
    .map(({ sopInstanceUid }) => sopInstanceUid)
    .filter((uid) => wanted === null || wanted.has(uid));
}

function requestsFor(
  { studyInstanceUid, tally, expected }: StudyInHand,
  left: readonly SopInstanceUid[],
  asking: Asking,
  most: number,
): Requests {
  const wanted = new Set(left);
  const bySeries = [...tally.in('held')].map(
    ([series, all]) => [series, all.filter(({ sopInstanceUid }) => wanted.has(sopInstanceUid))] as const,
  );
  return new Requests({
    ...{ studyInstanceUid, asking, most: () => most },
    wanted: new Map(bySeries.filter(([, instances]) => instances.length > 0)),
    imagesOf: (series) => (series === null ? expected.size : (expected.series.get(series)?.size ?? 0)),
  });
}

/** All at once where that is one portion and all that raw was asked for; else in the way that raw is known to take. */
function firstAsking(study: StudyInHand, left: readonly SopInstanceUid[], most: number): Asking {
  const { asks } = study.work.parts.rawMemory;
  if (left.length > most || left.length < study.tally.expected) return asks;
  return { level: study.isAskedWhole ? 'STUDY' : 'SERIES', lists: asks.lists };
}

/** How many instances a lane takes at once: a fair share, that one C-GET can name; all where there is but one lane. */
function portionOf(images: number, lanes: number, moveBatch: number): number {
  return lanes === 1 ? images : Math.max(SMALLEST_PORTION, Math.min(Math.ceil(images / lanes), moveBatch));
}

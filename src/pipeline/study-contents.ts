import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import {
  findInstances,
  findSeries,
  type Association,
  type InstanceMatch,
  type NodeClient,
} from '../dimse/index.js';

/** What a node lists of a study: instances by series. */
export class StudyContents {
  readonly series: ReadonlyMap<SeriesInstanceUid, ReadonlyMap<SopInstanceUid, InstanceMatch>>;
  readonly size: number;

  constructor(series: ReadonlyMap<SeriesInstanceUid, ReadonlyMap<SopInstanceUid, InstanceMatch>>) {
    this.series = series;
    this.size = [...series.values()].reduce((sum, instances) => sum + instances.size, 0);
  }

  has(sopInstanceUid: SopInstanceUid): boolean {
    return [...this.series.values()].some((instances) => instances.has(sopInstanceUid));
  }

  get sopInstanceUids(): SopInstanceUid[] {
    return [...this.series.values()].flatMap((instances) => [...instances.keys()]);
  }

  /** What of this `other` does not hold, series by series; series that are whole there are left out. */
  lackedBy(other: StudyContents): StudyContents {
    return this.#filter((sopInstanceUid, series) => other.series.get(series)?.has(sopInstanceUid) !== true);
  }

  /** Of this only what `other` holds too. */
  sharedWith(other: StudyContents): StudyContents {
    return this.#filter((sopInstanceUid, series) => other.series.get(series)?.has(sopInstanceUid) === true);
  }

  /** Of this only the series that `other` has, whole. */
  inSeriesOf(other: StudyContents): StudyContents {
    return this.#filter((_sopInstanceUid, series) => other.series.has(series));
  }

  /** Of this only the given instances. */
  only(sopInstanceUids: ReadonlySet<SopInstanceUid>): StudyContents {
    return this.#filter((sopInstanceUid) => sopInstanceUids.has(sopInstanceUid));
  }

  #filter(keep: (sopInstanceUid: SopInstanceUid, series: SeriesInstanceUid) => boolean): StudyContents {
    const kept = new Map<SeriesInstanceUid, ReadonlyMap<SopInstanceUid, InstanceMatch>>();
    for (const [series, instances] of this.series) {
      const left = new Map([...instances].filter(([sopInstanceUid]) => keep(sopInstanceUid, series)));
      if (left.size > 0) kept.set(series, left);
    }
    return new StudyContents(kept);
  }
}

/**
 * Lists a study by C-FIND, SERIES then IMAGE level, on one association.
 *
 * @param only the series that matter; null for all
 */
export async function listStudy(
  client: NodeClient,
  studyInstanceUid: StudyInstanceUid,
  only: ReadonlySet<SeriesInstanceUid> | null,
  queryTimeoutMs: number,
  signal?: AbortSignal,
): Promise<StudyContents> {
  return client.withQueryRetrieve(async (association) => {
    const listed = await findSeries(association, studyInstanceUid, queryTimeoutMs);
    const series = listed.map(({ seriesInstanceUid }) => seriesInstanceUid);
    const wanted = only === null ? series : series.filter((uid) => only.has(uid));
    return contentsOf(association, studyInstanceUid, wanted, queryTimeoutMs);
  }, signal);
}

/** The same of series that are known already: one C-FIND at IMAGE level for each, none at SERIES level. */
export async function listSeries(
  client: NodeClient,
  studyInstanceUid: StudyInstanceUid,
  series: Iterable<SeriesInstanceUid>,
  queryTimeoutMs: number,
  signal?: AbortSignal,
): Promise<StudyContents> {
  return client.withQueryRetrieve(
    (association) => contentsOf(association, studyInstanceUid, series, queryTimeoutMs),
    signal,
  );
}

async function contentsOf(
  association: Association,
  studyInstanceUid: StudyInstanceUid,
  series: Iterable<SeriesInstanceUid>,
  queryTimeoutMs: number,
): Promise<StudyContents> {
  const contents = new Map<SeriesInstanceUid, ReadonlyMap<SopInstanceUid, InstanceMatch>>();
  for (const uid of series) {
    const instances = await findInstances(association, studyInstanceUid, uid, queryTimeoutMs);
    contents.set(uid, new Map(instances.map((instance) => [instance.sopInstanceUid, instance])));
  }
  return new StudyContents(contents);
}

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
  /** Images that the node lists under UIDs that can't be passed on; they are in no series here. */
  readonly unusable: number;
  /** How many images the node counts in all series of the study, asked for or not; null when it does not count. */
  readonly counted: number | null;

  constructor(
    series: ReadonlyMap<SeriesInstanceUid, ReadonlyMap<SopInstanceUid, InstanceMatch>>,
    notes: { readonly unusable: number; readonly counted: number | null } = { unusable: 0, counted: null },
  ) {
    this.series = series;
    this.size = [...series.values()].reduce((sum, instances) => sum + instances.size, 0);
    this.unusable = notes.unusable;
    this.counted = notes.counted;
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
  asks: 'names' | 'names and transfer syntaxes' = 'names',
): Promise<StudyContents> {
  return client.withQueryRetrieve(async (association) => {
    const { matches, unusable } = await findSeries(association, studyInstanceUid, queryTimeoutMs);
    const series = matches.map(({ seriesInstanceUid }) => seriesInstanceUid);
    const wanted = only === null ? series : series.filter((uid) => only.has(uid));
    const contents = await contentsOf(association, studyInstanceUid, wanted, queryTimeoutMs, asks);
    const counts = [...matches.map(({ numberOfInstances }) => numberOfInstances), ...unusable];
    // Series that can't be named are none of those that were asked for by name.
    const unnamed = only === null ? sum(unusable) : 0;
    return new StudyContents(contents.series, {
      unusable: contents.unusable + unnamed,
      counted: counts.includes(null) ? null : sum(counts.map((count) => count ?? 0)),
    });
  }, signal);
}

/** The same of series that are known already: one C-FIND at IMAGE level for each, none at SERIES level. */
export async function listSeries(
  client: NodeClient,
  studyInstanceUid: StudyInstanceUid,
  series: Iterable<SeriesInstanceUid>,
  queryTimeoutMs: number,
  signal?: AbortSignal,
  asks: 'names' | 'names and transfer syntaxes' = 'names',
): Promise<StudyContents> {
  return client.withQueryRetrieve(
    (association) => contentsOf(association, studyInstanceUid, series, queryTimeoutMs, asks),
    signal,
  );
}

async function contentsOf(
  association: Association,
  studyInstanceUid: StudyInstanceUid,
  series: Iterable<SeriesInstanceUid>,
  queryTimeoutMs: number,
  asks: 'names' | 'names and transfer syntaxes',
): Promise<StudyContents> {
  const contents = new Map<SeriesInstanceUid, ReadonlyMap<SopInstanceUid, InstanceMatch>>();
  let unusable = 0;
  for (const uid of series) {
    const found = await findInstances(association, studyInstanceUid, uid, queryTimeoutMs, asks);
    contents.set(uid, new Map(found.matches.map((instance) => [instance.sopInstanceUid, instance])));
    unusable += sum(found.unusable);
  }
  return new StudyContents(contents, { unusable, counted: null });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

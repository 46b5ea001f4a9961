import type { SeriesInstanceUid, StudyInstanceUid } from '../core/ids.js';
import type { Archive, JourneyParts } from './parts.js';
import { listSeries, listStudy, type StudyContents } from './study-contents.js';

/** One study as the archive lists it, next to what raw holds of it. */
export interface Comparison {
  readonly studyInstanceUid: StudyInstanceUid;
  /** The archive's list of what was asked for: the truth that a retrieval is judged by. */
  readonly expected: StudyContents;
  /** Whether `expected` is all that the archive has of the study. */
  readonly wholeStudy: boolean;
  /** Series that were asked for and that the archive does not list. */
  readonly absentSeries: readonly SeriesInstanceUid[];
  /** What raw holds of the expected series. */
  readonly held: StudyContents;
}

/** Step 2: what the archive lists and what raw holds already. */
export async function compareWithRaw(
  studyInstanceUid: StudyInstanceUid,
  askedSeries: readonly SeriesInstanceUid[],
  archive: Archive,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<Comparison> {
  const { queryTimeoutMs } = parts.settings;
  const only = askedSeries.length === 0 ? null : new Set(askedSeries);
  // At the same time: with peers that answer 40 ms late, one after the other is felt in a study of few images.
  const [listed, inRaw] = await Promise.allSettled([
    listStudy(archive.client, studyInstanceUid, only, queryTimeoutMs, signal),
    listStudy(parts.raw, studyInstanceUid, only, queryTimeoutMs, signal, 'names and transfer syntaxes'),
  ]);
  if (listed.status === 'rejected') throw listed.reason;
  if (inRaw.status === 'rejected') throw inRaw.reason;
  const expected = listed.value;
  return {
    studyInstanceUid,
    expected,
    wholeStudy: only === null,
    absentSeries: askedSeries.filter((uid) => !expected.series.has(uid)),
    held: inRaw.value.inSeriesOf(expected),
  };
}

/** What raw holds now of the expected series; asked anew after every retrieval. */
export async function heldByRaw(
  studyInstanceUid: StudyInstanceUid,
  expected: StudyContents,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<StudyContents> {
  const { queryTimeoutMs } = parts.settings;
  return listSeries(
    parts.raw,
    studyInstanceUid,
    expected.series.keys(),
    queryTimeoutMs,
    signal,
    'names and transfer syntaxes',
  );
}

import type { SeriesInstanceUid } from '../core/ids.js';
import type { StudyRequest } from '../core/message.js';
import type { NodeClient, StudyMatch } from '../dimse/index.js';
import { findStudy } from './journey/find.js';
import { listStudy } from './study-contents.js';

export interface Estimate {
  /** Requests that the archive has at least one study for. */
  readonly found: number;
  readonly notFound: number;
  readonly studies: number;
  readonly images: number;
}

export interface EstimateParts {
  readonly client: NodeClient;
  readonly queryTimeoutMs: number;
  /** Resolves when the archive may be asked for the next study. */
  readonly admit: () => Promise<void>;
  readonly onProgress: (asked: number) => void;
  readonly signal: AbortSignal;
}

/** Asks an archive, one study after the other, how many images the requests mean there. Nothing is moved. */
export async function estimateCohort(
  requests: Iterable<StudyRequest>,
  parts: EstimateParts,
): Promise<Estimate> {
  let [found, notFound, studies, images] = [0, 0, 0, 0];
  for (const request of requests) {
    await parts.admit();
    const { matches } = await findStudy(request, parts.client, parts.queryTimeoutMs, parts.signal);
    if (matches.length === 0) notFound += 1;
    else found += 1;
    studies += matches.length;
    for (const match of matches) images += await imagesOf(match, request.seriesInstanceUids, parts);
    parts.onProgress(found + notFound);
  }
  return { found, notFound, studies, images };
}

/** There are archives that do not count, and none counts only some series: then the images are listed. */
async function imagesOf(
  { studyInstanceUid, numberOfInstances }: StudyMatch,
  series: readonly SeriesInstanceUid[],
  { client, queryTimeoutMs, signal }: EstimateParts,
): Promise<number> {
  if (numberOfInstances !== null && series.length === 0) return numberOfInstances;
  const only = series.length === 0 ? null : new Set(series);
  return (await listStudy(client, studyInstanceUid, only, queryTimeoutMs, signal)).size;
}

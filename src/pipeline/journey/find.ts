import type { StudyRequest } from '../../core/message.js';
import {
  findStudies,
  type Answers,
  type NodeClient,
  type StudyMatch,
  type StudyQuery,
} from '../../dimse/index.js';

/**
 * Step 1: the studies that a request means, on one node. By Study Instance UID; when that finds nothing, or
 * there is none, by MRN and accession number, which may match several.
 */
export async function findStudy(
  request: StudyRequest,
  client: NodeClient,
  queryTimeoutMs: number,
  signal?: AbortSignal,
): Promise<Answers<StudyMatch>> {
  return client.withQueryRetrieve(async (association) => {
    let unmatched = 0;
    for (const query of queriesFor(request)) {
      const found = await findStudies(association, query, queryTimeoutMs);
      unmatched += found.unmatched;
      if (found.matches.length + found.unusable.length > 0) return { ...found, unmatched };
    }
    return { matches: [], unmatched, unusable: [] };
  }, signal);
}

/** An MRN without an accession number would match all of a patient's studies, so it is never asked for alone. */
function queriesFor(request: StudyRequest): StudyQuery[] {
  const { studyInstanceUid, mrn, accessionNumber } = request;
  const queries: StudyQuery[] = [];
  if (studyInstanceUid !== null) queries.push({ studyInstanceUid });
  if (mrn !== null && accessionNumber !== null) queries.push({ patientId: mrn, accessionNumber });
  return queries;
}

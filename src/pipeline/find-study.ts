import type { StudyRequest } from '../core/message.js';
import { findStudies, type NodeClient, type StudyMatch, type StudyQuery } from '../dimse/index.js';

/**
 * Step 1: the studies that a request means, on one node. By Study Instance UID; when that finds nothing, or
 * there is none, by MRN and accession number, which may match several.
 */
export async function findStudy(
  request: StudyRequest,
  client: NodeClient,
  queryTimeoutMs: number,
  signal?: AbortSignal,
): Promise<readonly StudyMatch[]> {
  return client.withQueryRetrieve(async (association) => {
    for (const query of queriesFor(request)) {
      const studies = await findStudies(association, query, queryTimeoutMs);
      if (studies.length > 0) return studies;
    }
    return [];
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

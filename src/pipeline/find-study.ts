import type { ImagingMessage } from '../core/message.js';
import { findStudies, type StudyMatch, type StudyQuery } from '../dimse/index.js';
import type { Archive, JourneyParts } from './parts.js';

/**
 * Step 1: the studies that the message means, in one archive. By Study Instance UID; when that finds nothing, or
 * there is none, by MRN and accession number, which may match several.
 */
export async function findStudy(
  message: ImagingMessage,
  archive: Archive,
  parts: JourneyParts,
): Promise<readonly StudyMatch[]> {
  return archive.client.withQueryRetrieve(async (association) => {
    for (const query of queriesFor(message)) {
      const studies = await findStudies(association, query, parts.settings.queryTimeoutMs);
      if (studies.length > 0) return studies;
    }
    return [];
  });
}

/** An MRN without an accession number would match all of a patient's studies, so it is never asked for alone. */
function queriesFor(message: ImagingMessage): StudyQuery[] {
  const { studyInstanceUid, mrn, accessionNumber } = message;
  const queries: StudyQuery[] = [];
  if (studyInstanceUid !== null) queries.push({ studyInstanceUid });
  if (mrn !== null && accessionNumber !== null) queries.push({ patientId: mrn, accessionNumber });
  return queries;
}

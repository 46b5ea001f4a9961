import type { CohortImage } from '../core/db/index.js';
import { InvalidValueError } from '../core/errors.js';
import { accessionNumber, patientId, studyInstanceUid, type StudyInstanceUid } from '../core/ids.js';
import type { StudyRequest } from '../core/message.js';
import { someStudies, type RetrieveSelection } from '../dimse/index.js';
import { findStudy, listStudy, type StudyContents } from '../pipeline/index.js';
import type { ExaminedNode } from './node-checks.js';

/** Studies that raw may have images of. */
export interface AllowedStudies {
  readonly raw: ExaminedNode;
  /** Named by the user for this; null = none. */
  readonly testStudy: StudyInstanceUid | null;
  /** Studies that a cohort asks for and that are not exported yet. */
  readonly requested: (limit: number) => Promise<readonly CohortImage[]>;
}

/** Studies that an archive is asked for until it has one. */
const CANDIDATES = 5;

/**
 * One image of the archive that may be moved to raw: of the test study; else one that raw holds already; else one of a
 * study that the cohort asks for.
 *
 * @returns why there is none, when there is none
 */
export async function probeImage(
  archive: ExaminedNode,
  allowed: AllowedStudies,
  signal: AbortSignal,
): Promise<RetrieveSelection | string> {
  const { testStudy, raw } = allowed;
  return (
    (testStudy === null ? null : firstImage(testStudy, await list(archive, testStudy, signal))) ??
    (await imageInBoth(archive, raw, signal)) ??
    (await requestedImage(archive, allowed, signal)) ??
    `${archive.node.aeTitle} does not tell without an image to move, and it has no study that raw holds or a cohort ` +
      `asks for${testStudy === null ? '' : ', nor the one of --study-uid'}: ` +
      'name a test study of it with --study-uid; one image of it is moved to raw'
  );
}

/** Moved again, it brings raw nothing new. */
async function imageInBoth(
  archive: ExaminedNode,
  raw: ExaminedNode,
  signal: AbortSignal,
): Promise<RetrieveSelection | null> {
  const held = await raw.client.withQueryRetrieve(
    (association) => someStudies(association, CANDIDATES, raw.queryTimeoutMs),
    signal,
  );
  for (const study of held) {
    const inBoth = (await list(archive, study, signal)).sharedWith(await list(raw, study, signal));
    const image = firstImage(study, inBoth);
    if (image !== null) return image;
  }
  return null;
}

async function requestedImage(
  archive: ExaminedNode,
  { requested }: AllowedStudies,
  signal: AbortSignal,
): Promise<RetrieveSelection | null> {
  for (const cohortImage of await requested(CANDIDATES)) {
    const request = requestFor(cohortImage);
    if (request === null) continue;
    const { matches } = await findStudy(request, archive.client, archive.queryTimeoutMs, signal);
    for (const { studyInstanceUid: study } of matches) {
      const image = firstImage(study, await list(archive, study, signal));
      if (image !== null) return image;
    }
  }
  return null;
}

/** null = PIXL's table holds something that no query may be made of. */
function requestFor({ mrn, accessionNumber: accession, studyUid }: CohortImage): StudyRequest | null {
  const isNamed = mrn !== '' && accession !== '';
  try {
    return {
      studyInstanceUid: studyUid === null ? null : studyInstanceUid(studyUid),
      mrn: isNamed ? patientId(mrn) : null,
      accessionNumber: isNamed ? accessionNumber(accession) : null,
      seriesInstanceUids: [],
      projectName: '',
    };
  } catch (error) {
    if (error instanceof InvalidValueError) return null;
    throw error;
  }
}

function list(
  { client, queryTimeoutMs }: ExaminedNode,
  study: StudyInstanceUid,
  signal: AbortSignal,
): Promise<StudyContents> {
  return listStudy(client, study, null, queryTimeoutMs, signal);
}

function firstImage(studyInstanceUid: StudyInstanceUid, contents: StudyContents): RetrieveSelection | null {
  for (const [seriesInstanceUid, instances] of contents.series)
    for (const sopInstanceUid of instances.keys())
      return { level: 'IMAGE', studyInstanceUid, seriesInstanceUid, sopInstanceUids: [sopInstanceUid] };
  return null;
}

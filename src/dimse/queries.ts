import {
  isUid,
  type AccessionNumber,
  type PatientId,
  type SeriesInstanceUid,
  type SopInstanceUid,
  type StudyInstanceUid,
} from '../core/ids.js';
import type { Association } from './association.js';
import { sameValue, type Identifier } from './message/identifier.js';
import { cFind } from './scu/c-find.js';

/** How a study is looked for: the only two ways, so a query for anything wider can't be built. */
export type StudyQuery =
  | { readonly studyInstanceUid: StudyInstanceUid }
  | { readonly patientId: PatientId; readonly accessionNumber: AccessionNumber };

/** What an archive says of a study; empty where it says nothing. */
export interface StudyMatch {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly patientId: string;
  readonly accessionNumber: string;
  readonly studyDate: string;
  readonly modalitiesInStudy: string;
  /** NumberOfStudyRelatedInstances (0020,1208); dcmqrscp leaves it out. */
  readonly numberOfInstances: number | null;
}

export interface SeriesMatch {
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly modality: string;
  readonly numberOfInstances: number | null;
}

export interface InstanceMatch {
  readonly sopInstanceUid: SopInstanceUid;
  /** Empty where the node does not tell; dcmqrscp does not. */
  readonly sopClassUid: string;
}

/**
 * C-FIND at STUDY level. Answers are compared with the question, padding aside: there are archives that ignore
 * keys (docs/field-notes.md).
 */
export async function findStudies(
  association: Association,
  query: StudyQuery,
  timeoutMs: number,
): Promise<StudyMatch[]> {
  const keys: Identifier = {
    QueryRetrieveLevel: 'STUDY',
    StudyInstanceUID: '',
    PatientID: '',
    AccessionNumber: '',
    StudyDate: '',
    ModalitiesInStudy: '',
    NumberOfStudyRelatedInstances: '',
    ...('studyInstanceUid' in query
      ? { StudyInstanceUID: query.studyInstanceUid }
      : { PatientID: query.patientId, AccessionNumber: query.accessionNumber }),
  };
  const studies = new Map<string, StudyMatch>();
  for await (const answer of cFind(association, keys, timeoutMs)) {
    const uid = answer['StudyInstanceUID'] ?? '';
    const asked =
      'studyInstanceUid' in query
        ? uid === query.studyInstanceUid
        : sameValue(query.patientId, answer['PatientID']) &&
          sameValue(query.accessionNumber, answer['AccessionNumber']);
    if (!asked || !isUid(uid)) continue;
    studies.set(uid, {
      studyInstanceUid: uid as StudyInstanceUid,
      patientId: answer['PatientID'] ?? '',
      accessionNumber: answer['AccessionNumber'] ?? '',
      studyDate: answer['StudyDate'] ?? '',
      modalitiesInStudy: answer['ModalitiesInStudy'] ?? '',
      numberOfInstances: count(answer['NumberOfStudyRelatedInstances']),
    });
  }
  return [...studies.values()];
}

/**
 * Any studies of a store of our own, at most `limit`: for looking whether a peer is set up well, never for an archive,
 * which such a query makes list all that it has. Ends the association when there are more.
 */
export async function someStudies(
  association: Association,
  limit: number,
  timeoutMs: number,
): Promise<StudyInstanceUid[]> {
  const keys: Identifier = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '' };
  const studies: StudyInstanceUid[] = [];
  for await (const { StudyInstanceUID: uid = '' } of cFind(association, keys, timeoutMs)) {
    if (isUid(uid)) studies.push(uid as StudyInstanceUid);
    if (studies.length === limit) break;
  }
  return studies;
}

/** C-FIND at SERIES level, under its study (PS3.4 C.4.1.3.1: hierarchical). */
export async function findSeries(
  association: Association,
  studyInstanceUid: StudyInstanceUid,
  timeoutMs: number,
): Promise<SeriesMatch[]> {
  const keys: Identifier = {
    QueryRetrieveLevel: 'SERIES',
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: '',
    Modality: '',
    NumberOfSeriesRelatedInstances: '',
  };
  const series = new Map<string, SeriesMatch>();
  for await (const answer of cFind(association, keys, timeoutMs)) {
    const uid = answer['SeriesInstanceUID'] ?? '';
    if (!isUid(uid) || !underParent(answer, 'StudyInstanceUID', studyInstanceUid)) continue;
    series.set(uid, {
      seriesInstanceUid: uid as SeriesInstanceUid,
      modality: answer['Modality'] ?? '',
      numberOfInstances: count(answer['NumberOfSeriesRelatedInstances']),
    });
  }
  return [...series.values()];
}

/** C-FIND at IMAGE level, under its study and series. */
export async function findInstances(
  association: Association,
  studyInstanceUid: StudyInstanceUid,
  seriesInstanceUid: SeriesInstanceUid,
  timeoutMs: number,
): Promise<InstanceMatch[]> {
  const keys: Identifier = {
    QueryRetrieveLevel: 'IMAGE',
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: seriesInstanceUid,
    SOPInstanceUID: '',
    SOPClassUID: '',
  };
  const instances = new Map<string, InstanceMatch>();
  for await (const answer of cFind(association, keys, timeoutMs)) {
    const uid = answer['SOPInstanceUID'] ?? '';
    if (!isUid(uid)) continue;
    if (!underParent(answer, 'StudyInstanceUID', studyInstanceUid)) continue;
    if (!underParent(answer, 'SeriesInstanceUID', seriesInstanceUid)) continue;
    const sopClass = answer['SOPClassUID'] ?? '';
    instances.set(uid, {
      sopInstanceUid: uid as SopInstanceUid,
      sopClassUid: isUid(sopClass) ? sopClass : '',
    });
  }
  return [...instances.values()];
}

/** A parent's UID that the answer does not carry can't be compared; one that differs rules the answer out. */
function underParent(answer: Identifier, keyword: string, uid: string): boolean {
  const answered = answer[keyword];
  return answered === undefined || answered === '' || answered === uid;
}

function count(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

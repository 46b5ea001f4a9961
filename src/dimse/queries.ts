import {
  canBePassedOn,
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
  /** NumberOfSeriesRelatedInstances (0020,1209); null where the archive does not count. */
  readonly numberOfInstances: number | null;
}

export interface InstanceMatch {
  readonly sopInstanceUid: SopInstanceUid;
  /** Empty where the node does not tell; dcmqrscp does not. */
  readonly sopClassUid: string;
  /** AvailableTransferSyntaxUID (0008,3002), as what it can be had; empty where it was not asked for, or is not told. */
  readonly transferSyntaxUids: readonly string[];
}

/** What a node answered a query. Nothing is left out in silence. */
export interface Answers<Match> {
  readonly matches: readonly Match[];
  /** Answers to another question: their values are not those that were asked for. */
  readonly unmatched: number;
  /** Answers that match and whose own UID can't be passed on (canBePassedOn), by the images that they stand for, at least 1 each. */
  readonly unusable: readonly number[];
}

/**
 * C-FIND at STUDY level. Answers are compared with the question, padding aside: there are archives that ignore
 * keys (docs/field-notes.md).
 */
export async function findStudies(
  association: Association,
  query: StudyQuery,
  timeoutMs: number,
): Promise<Answers<StudyMatch>> {
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
  return answersTo(association, keys, timeoutMs, {
    own: 'StudyInstanceUID',
    count: 'NumberOfStudyRelatedInstances',
    isAsked: (answer) =>
      'studyInstanceUid' in query
        ? answer['StudyInstanceUID'] === query.studyInstanceUid
        : sameValue(query.patientId, answer['PatientID']) &&
          sameValue(query.accessionNumber, answer['AccessionNumber']),
    matchOf: (uid, answer, numberOfInstances) => ({
      studyInstanceUid: uid as StudyInstanceUid,
      patientId: answer['PatientID'] ?? '',
      accessionNumber: answer['AccessionNumber'] ?? '',
      studyDate: answer['StudyDate'] ?? '',
      modalitiesInStudy: answer['ModalitiesInStudy'] ?? '',
      numberOfInstances,
    }),
  });
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
    if (canBePassedOn(uid)) studies.push(uid as StudyInstanceUid);
    if (studies.length === limit) break;
  }
  return studies;
}

/** C-FIND at SERIES level, under its study (PS3.4 C.4.1.3.1: hierarchical). */
export async function findSeries(
  association: Association,
  studyInstanceUid: StudyInstanceUid,
  timeoutMs: number,
): Promise<Answers<SeriesMatch>> {
  const keys: Identifier = {
    QueryRetrieveLevel: 'SERIES',
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: '',
    Modality: '',
    NumberOfSeriesRelatedInstances: '',
  };
  return answersTo(association, keys, timeoutMs, {
    own: 'SeriesInstanceUID',
    count: 'NumberOfSeriesRelatedInstances',
    isAsked: (answer) => underParent(answer, 'StudyInstanceUID', studyInstanceUid),
    matchOf: (uid, answer, numberOfInstances) => ({
      seriesInstanceUid: uid as SeriesInstanceUid,
      modality: answer['Modality'] ?? '',
      numberOfInstances,
    }),
  });
}

/**
 * C-FIND at IMAGE level, under its study and series.
 *
 * @param asks of stores of our own in what transfer syntaxes they have an instance; archives are asked for no more than is needed
 */
export async function findInstances(
  association: Association,
  studyInstanceUid: StudyInstanceUid,
  seriesInstanceUid: SeriesInstanceUid,
  timeoutMs: number,
  asks: 'names' | 'names and transfer syntaxes' = 'names',
): Promise<Answers<InstanceMatch>> {
  const keys: Identifier = {
    QueryRetrieveLevel: 'IMAGE',
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: seriesInstanceUid,
    SOPInstanceUID: '',
    SOPClassUID: '',
    ...(asks === 'names' ? {} : { AvailableTransferSyntaxUID: '' }),
  };
  return answersTo(association, keys, timeoutMs, {
    own: 'SOPInstanceUID',
    count: null,
    isAsked: (answer) =>
      underParent(answer, 'StudyInstanceUID', studyInstanceUid) &&
      underParent(answer, 'SeriesInstanceUID', seriesInstanceUid),
    matchOf: (uid, answer) => ({
      sopInstanceUid: uid as SopInstanceUid,
      sopClassUid: isUid(answer['SOPClassUID'] ?? '') ? (answer['SOPClassUID'] ?? '') : '',
      transferSyntaxUids: (answer['AvailableTransferSyntaxUID'] ?? '').split('\\').filter(isUid),
    }),
  });
}

interface Reading<Match> {
  /** Keyword of the UID that the level is about. */
  readonly own: string;
  /** Keyword of the number of images. */
  readonly count: string | null;
  readonly isAsked: (answer: Identifier) => boolean;
  readonly matchOf: (uid: string, answer: Identifier, numberOfInstances: number | null) => Match;
}

/** Each UID once; the last answer about it counts. */
async function answersTo<Match>(
  association: Association,
  keys: Identifier,
  timeoutMs: number,
  { own, count, isAsked, matchOf }: Reading<Match>,
): Promise<Answers<Match>> {
  const matches = new Map<string, Match>();
  const unusable = new Map<string, number>();
  let unmatched = 0;
  for await (const answer of cFind(association, keys, timeoutMs)) {
    if (!isAsked(answer)) {
      unmatched += 1;
      continue;
    }
    const uid = answer[own] ?? '';
    const images = count === null ? null : countOf(answer[count]);
    if (canBePassedOn(uid)) matches.set(uid, matchOf(uid, answer, images));
    else unusable.set(uid, Math.max(1, images ?? 1));
  }
  return { matches: [...matches.values()], unmatched, unusable: [...unusable.values()] };
}

/** A parent's UID that the answer does not carry can't be compared; one that differs rules the answer out. */
function underParent(answer: Identifier, keyword: string, uid: string): boolean {
  const answered = answer[keyword];
  return answered === undefined || answered === '' || answered === uid;
}

function countOf(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

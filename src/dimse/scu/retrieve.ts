import type { Association } from '../association.js';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../../core/ids.js';
import type { CommandOf } from '../message/command-set.js';
import type { Identifier } from '../message/identifier.js';
import { receiveIdentifier } from './response.js';

/**
 * What a C-MOVE or C-GET asks for (PS3.4 C.4.2.1.4). Hierarchical: each level names the UIDs of those above
 * it, so an archive that ignores a key can't widen it.
 */
export type RetrieveSelection =
  | { readonly level: 'STUDY'; readonly studyInstanceUid: StudyInstanceUid }
  | {
      readonly level: 'SERIES';
      readonly studyInstanceUid: StudyInstanceUid;
      readonly seriesInstanceUids: readonly SeriesInstanceUid[];
    }
  | {
      readonly level: 'IMAGE';
      readonly studyInstanceUid: StudyInstanceUid;
      readonly seriesInstanceUid: SeriesInstanceUid;
      readonly sopInstanceUids: readonly SopInstanceUid[];
    };

/** The counters of a response (PS3.4 C.4.2.1.6); null where the peer leaves one out. */
export interface SubOperations {
  readonly remaining: number | null;
  readonly completed: number | null;
  readonly failed: number | null;
  readonly warning: number | null;
}

/** How a retrieval ended. Says what the peer claims, not what arrived. */
export interface RetrieveResult {
  readonly status: number;
  readonly subOperations: SubOperations;
  /** FailedSOPInstanceUIDList (0008,0058), where the peer sends one. */
  readonly failedSopInstanceUids: readonly string[];
}

export function selectionKeys(selection: RetrieveSelection): Identifier {
  const { level, studyInstanceUid } = selection;
  switch (level) {
    case 'STUDY':
      return { QueryRetrieveLevel: level, StudyInstanceUID: studyInstanceUid };
    case 'SERIES':
      return {
        QueryRetrieveLevel: level,
        StudyInstanceUID: studyInstanceUid,
        SeriesInstanceUID: selection.seriesInstanceUids.join('\\'),
      };
    case 'IMAGE':
      return {
        QueryRetrieveLevel: level,
        StudyInstanceUID: studyInstanceUid,
        SeriesInstanceUID: selection.seriesInstanceUid,
        SOPInstanceUID: selection.sopInstanceUids.join('\\'),
      };
  }
}

export function subOperationsOf(response: CommandOf<'C-MOVE-RSP'> | CommandOf<'C-GET-RSP'>): SubOperations {
  return {
    remaining: response.numberOfRemainingSubOperations ?? null,
    completed: response.numberOfCompletedSubOperations ?? null,
    failed: response.numberOfFailedSubOperations ?? null,
    warning: response.numberOfWarningSubOperations ?? null,
  };
}

/** The final response, with the failed list out of its Identifier if it has one. */
export async function retrieveResult(
  association: Association,
  response: {
    readonly command: CommandOf<'C-MOVE-RSP'> | CommandOf<'C-GET-RSP'>;
    readonly hasDataSet: boolean;
    readonly presentationContextId: number;
  },
  timeoutMs: number,
): Promise<RetrieveResult> {
  const { command, hasDataSet, presentationContextId } = response;
  const identifier = hasDataSet
    ? await receiveIdentifier(association, presentationContextId, command.type, timeoutMs)
    : {};
  const failed = identifier['FailedSOPInstanceUIDList'] ?? '';
  return {
    status: command.status,
    subOperations: subOperationsOf(command),
    failedSopInstanceUids: failed === '' ? [] : failed.split('\\'),
  };
}

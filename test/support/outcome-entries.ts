import {
  encodeImagingMessage,
  parseImagingMessageFields,
  type ImagingMessage,
} from '../../src/core/message.js';
import { sopInstanceUid, studyInstanceUid } from '../../src/core/ids.js';
import type { Outcome, OutcomeEntry, StudyReport } from '../../src/core/outcome.js';

/** A message of project `Test project`; each number is another one. */
export function messageNumbered(
  number: number,
  fields: Readonly<Record<string, unknown>> = {},
): ImagingMessage {
  return parseImagingMessageFields({
    mrn: `CANARYM${number}`,
    accession_number: `CANARYA${number}`,
    study_uid: `1.2.3.${number}`,
    study_date: '2023-01-31',
    procedure_occurrence_id: number,
    project_name: 'Test project',
    extract_generated_timestamp: '2023-12-07T14:08:58.123456+00:00',
    ...fields,
  });
}

/** What was done for a study of `expected` images, all of them delivered unless said otherwise. */
export function studyReport(uid: string, expected: number, rest: Partial<StudyReport> = {}): StudyReport {
  return {
    studyInstanceUid: studyInstanceUid(uid),
    images: { expected, alreadyInRaw: 0, retrieved: expected, delivered: expected },
    missing: [],
    refused: [],
    excluded: [],
    delivered: [],
    remarks: [],
    warnings: 0,
    bytesDelivered: expected * 1000,
    durationMs: 10,
    ...rest,
  };
}

export function deliveredEntry(message: ImagingMessage, rest: Partial<OutcomeEntry> = {}): OutcomeEntry {
  const studies = [studyReport(message.studyInstanceUid ?? '1.2.3', 3)];
  return entryOf(message, { kind: 'delivered', archive: 'primary', archiveAnswer: 'ok', studies }, rest);
}

export function entryOf(
  message: ImagingMessage,
  outcome: Outcome,
  rest: Partial<OutcomeEntry> = {},
): OutcomeEntry {
  return {
    delivery: {
      body: encodeImagingMessage(message),
      queue: 'imaging-primary',
      attempt: 1,
      receivedAt: '2024-05-01T10:00:00.000Z',
    },
    message,
    archive: outcome.archive,
    ending: outcome.kind,
    outcome,
    code: 'code' in outcome ? outcome.code : null,
    reason: 'reason' in outcome ? outcome.reason : null,
    finishedAt: '2024-05-01T10:00:05.000Z',
    durationMs: 5000,
    ...rest,
  };
}

export function missingEntry(message: ImagingMessage, rest: Partial<OutcomeEntry> = {}): OutcomeEntry {
  const reason = 'the study is not in the primary archive, and there is no secondary';
  return entryOf(
    message,
    {
      kind: 'missing',
      archive: 'primary',
      archiveAnswer: 'ok',
      studies: [],
      code: 'STUDY_NOT_FOUND',
      reason,
    },
    rest,
  );
}

export function rejectedEntry(body: string): OutcomeEntry {
  return {
    delivery: {
      body: Buffer.from(body),
      queue: 'imaging-primary',
      attempt: 1,
      receivedAt: '2024-05-01T10:00:00.000Z',
    },
    message: null,
    archive: 'primary',
    ending: 'rejected',
    outcome: null,
    code: 'MESSAGE_REJECTED',
    reason: 'message rejected: message: not JSON',
    finishedAt: '2024-05-01T10:00:05.000Z',
    durationMs: 1,
  };
}

/** One image came and was refused, one did not come. */
export function incompleteEntry(message: ImagingMessage): OutcomeEntry {
  const study = studyReport(message.studyInstanceUid ?? '1.2.3', 3, {
    images: { expected: 3, alreadyInRaw: 1, retrieved: 1, delivered: 0 },
    missing: [sopInstanceUid('1.2.3.9.1')],
    refused: [{ sopInstanceUid: sopInstanceUid('1.2.3.9.2'), reason: '0xC000\0 "odd", it says' }],
    warnings: 2,
  });
  const reason = '1 instances that the archive lists did not come to the raw store';
  return entryOf(message, {
    kind: 'incomplete',
    archive: 'secondary',
    archiveAnswer: 'ok',
    studies: [study],
    code: 'INSTANCES_MISSING',
    reason,
  });
}

/** Rules want nothing of it. */
export function excludedEntry(message: ImagingMessage): OutcomeEntry {
  const excluded = ['burned-in annotation', 'modality SR', 'modality SR'].map((rule, index) => ({
    ...{ sopInstanceUid: sopInstanceUid(`1.2.3.9.${index + 1}`), rule },
  }));
  const study = studyReport(message.studyInstanceUid ?? '1.2.3', 3, {
    images: { expected: 3, alreadyInRaw: 0, retrieved: 3, delivered: 0 },
    remarks: ['listed_fewer_than_counted'],
    excluded,
  });
  return entryOf(message, { kind: 'excluded', archive: 'primary', archiveAnswer: 'ok', studies: [study] });
}

import { InvalidValueError } from '../../src/core/errors.js';
import {
  accessionNumber,
  patientId,
  seriesInstanceUid,
  studyInstanceUid,
  type AccessionNumber,
  type PatientId,
  type SeriesInstanceUid,
  type StudyInstanceUid,
} from '../../src/core/ids.js';
import { UsageError } from '../usage-error.js';

/** The options by which `pull` and `find` name a study, as commander gives them. */
export interface StudyOptions {
  readonly studyUid?: string;
  readonly mrn?: string;
  readonly accession?: string;
  readonly seriesUid?: readonly string[];
}

/** What the options name, checked. */
export interface NamedStudy {
  readonly studyInstanceUid: StudyInstanceUid | null;
  readonly mrn: PatientId | null;
  readonly accessionNumber: AccessionNumber | null;
  readonly seriesInstanceUids: readonly SeriesInstanceUid[];
}

/** @throws UsageError naming the option that is wrong or lacking */
export function namedStudy(options: StudyOptions): NamedStudy {
  const { studyUid, mrn, accession, seriesUid = [] } = options;
  if (studyUid === undefined && mrn === undefined && accession === undefined)
    throw new UsageError('name the study: --study-uid, or --mrn together with --accession');
  // Also next to --study-uid: there a lone one would be ignored in silence.
  if (mrn === undefined && accession !== undefined) throw new UsageError('--accession goes with --mrn');
  if (mrn !== undefined && accession === undefined) throw new UsageError('--mrn goes with --accession');
  return {
    studyInstanceUid: checked('--study-uid', studyUid, studyInstanceUid),
    mrn: checked('--mrn', mrn, patientId),
    accessionNumber: checked('--accession', accession, accessionNumber),
    seriesInstanceUids: seriesUid
      .flatMap((text) => text.split('\\'))
      .map((text) => checkedOption('--series-uid', text, seriesInstanceUid)),
  };
}

function checked<T>(option: string, text: string | undefined, parse: (text: string) => T): T | null {
  return text === undefined ? null : checkedOption(option, text, parse);
}

/** @throws UsageError naming the option when the value is not what it takes */
export function checkedOption<T>(option: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof InvalidValueError) throw new UsageError(`${option}: ${error.problem}`);
    throw error;
  }
}

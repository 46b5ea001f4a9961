import type { CohortImage } from '../db/images.js';
import { encodeImagingMessage, parseImagingMessageFields, type ImagingMessage } from '../message.js';

/** JSON escapes what is no printable character: it stands in no body. */
const SEPARATOR = '\t';

/** The body's own fields, as they were checked before it was made. */
type Fields = Readonly<
  Record<'project_name' | 'accession_number' | 'mrn' | 'study_date' | 'study_uid' | 'series_uid', string>
>;

/** A message that was read from a cohort, and is kept on disk as a line. */
export class CohortMessage {
  /** The message as it is published. */
  readonly body: Buffer;
  /** Whom the project knows the patient as; null = the cohort does not say. It is in no message, but in PIXL's table. */
  readonly pseudoPatientId: string | null;
  readonly #fields: Fields;

  constructor(line: string) {
    const end = line.indexOf(SEPARATOR);
    const body = line.slice(0, end);
    this.body = Buffer.from(body);
    this.pseudoPatientId = line.slice(end + 1) || null;
    this.#fields = JSON.parse(body) as Fields;
  }

  static lineOf(message: ImagingMessage, pseudoPatientId: string | null): string {
    return `${encodeImagingMessage(message).toString()}${SEPARATOR}${pseudoPatientId ?? ''}`;
  }

  get message(): ImagingMessage {
    return parseImagingMessageFields(this.#fields);
  }

  get projectName(): string {
    return this.#fields.project_name;
  }

  /** False = only some of its series are asked for. */
  get isWholeStudy(): boolean {
    return this.#fields.series_uid === '';
  }

  /** As PIXL's table has it. */
  get image(): CohortImage {
    const { accession_number, mrn, study_date, study_uid } = this.#fields;
    return {
      accessionNumber: accession_number,
      mrn,
      studyDate: study_date,
      studyUid: study_uid === '' ? null : study_uid,
      pseudoPatientId: this.pseudoPatientId,
    };
  }
}

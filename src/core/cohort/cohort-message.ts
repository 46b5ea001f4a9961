import type { CohortImage } from '../db/images.js';
import { encodeFields, parseImagingMessageFields, type ImagingMessage } from '../message.js';
import { TAB } from './tabbed.js';

const Field = {
  ...{ Date: 0, Project: 1, Mrn: 2, Accession: 3, StudyUid: 4 },
  ...{ Series: 5, Procedure: 6, Timestamp: 7, PseudoPatientId: 8 },
} as const;

/**
 * A message that was read from a cohort, and is kept on disk as a line of its fields, which were checked before. A million of
 * them are sorted twice, and the bodies, of which most is the same in each, are three times as long.
 */
export class CohortMessage {
  readonly #fields: readonly string[];

  constructor(line: string) {
    this.#fields = line.split(TAB);
  }

  /** The message as it is published. */
  get body(): Buffer {
    return encodeFields(this.#wireFields);
  }

  get message(): ImagingMessage {
    return parseImagingMessageFields(this.#wireFields);
  }

  get projectName(): string {
    return this.#field(Field.Project);
  }

  /** Whom the project knows the patient as; null = the cohort does not say. It is in no message, but in PIXL's table. */
  get pseudoPatientId(): string | null {
    return this.#field(Field.PseudoPatientId) || null;
  }

  /** As PIXL's table has it. */
  get image(): CohortImage {
    return {
      accessionNumber: this.#field(Field.Accession),
      mrn: this.#field(Field.Mrn),
      studyDate: this.#field(Field.Date),
      studyUid: this.#field(Field.StudyUid) || null,
      pseudoPatientId: this.pseudoPatientId,
    };
  }

  get #wireFields(): Parameters<typeof encodeFields>[0] {
    return {
      mrn: this.#field(Field.Mrn),
      accession_number: this.#field(Field.Accession),
      study_uid: this.#field(Field.StudyUid),
      series_uid: this.#field(Field.Series),
      study_date: this.#field(Field.Date),
      procedure_occurrence_id: Number(this.#field(Field.Procedure)),
      project_name: this.projectName,
      extract_generated_timestamp: this.#field(Field.Timestamp),
    };
  }

  #field(place: number): string {
    return this.#fields[place] ?? '';
  }
}

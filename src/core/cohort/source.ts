import type { MessageFault } from '../message.js';
import type { BadRow, RowPlace } from './errors.js';

/** A row of a cohort as its source has it, not yet looked at; the fields are spelt as on the wire. */
export interface CohortFields {
  readonly mrn: string;
  readonly accession_number: string;
  readonly study_uid: string;
  readonly series_uid: string;
  readonly study_date: string;
  /** NaN when there was no number. */
  readonly procedure_occurrence_id: number;
  readonly project_name: string;
  readonly extract_generated_timestamp: string;
  /** Whom the project knows the patient as; empty when the cohort does not say. */
  readonly participant_id: string;
}

export type SourceRow =
  | {
      readonly kind: 'row';
      readonly fields: CohortFields;
      /** What a spreadsheet seems to have done to it, by the fields' names. */
      readonly damages: readonly MessageFault[];
      /** Where the row stands. */
      readonly place: RowPlace;
      /** Where the row, or this field of it, stands. */
      readonly placeOf: (field: string) => RowPlace & { readonly column: string | null };
    }
  | { readonly kind: 'bad' | 'left out'; readonly row: BadRow };

/** The rows in portions, as they come; the reader's speed is the source's. */
export type CohortSource = AsyncIterable<readonly SourceRow[]>;

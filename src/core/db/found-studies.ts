import type { OutcomeEntry, OutcomeRecorder } from '../outcome.js';
import { slugify } from '../slug/slug.js';
import type { Queries } from './database.js';
import { SCHEMA } from './migrations/migration.js';

/**
 * Writes to the cohort's rows which study an archive gave for their MRN and accession number, so that it can be exported by
 * its UID, and compared with. Only where a row names none and the message named none: what is filled in stays. Where an
 * archive gave several studies a row stands for all of them, and goes on naming none; the ledger knows which they are.
 */
export class FoundStudies implements OutcomeRecorder {
  readonly #queries: Queries;

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  /** @throws DatabaseUnavailableError, DatabaseError */
  async record({ message, ending, outcome }: OutcomeEntry): Promise<void> {
    if (message === null || (ending !== 'delivered' && ending !== 'retrieved')) return;
    if (message.studyInstanceUid !== null || message.mrn === null || message.accessionNumber === null) return;
    const [study, ...others] = outcome?.studies ?? [];
    if (study === undefined || others.length > 0) return;
    await this.#queries.query(
      `UPDATE ${SCHEMA}.image i SET study_uid = $1
       FROM ${SCHEMA}.extract e WHERE e.extract_id = i.extract_id AND e.slug = $2
       AND i.accession_number = $3 AND i.mrn = $4 AND i.study_date = $5::date AND coalesce(btrim(i.study_uid), '') = ''`,
      [
        study.studyInstanceUid,
        slugify(message.projectName),
        message.accessionNumber,
        message.mrn,
        message.studyDate,
      ],
    );
  }
}

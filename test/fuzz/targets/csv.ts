import { csvSource } from '../../../src/core/cohort/csv-source.js';
import { CohortFileError } from '../../../src/core/cohort/errors.js';
import type { Target } from '../target.js';
import { asFile } from './files.js';

const HEADING =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';
const ROW = '1,987,A1,"a ""project"", of\nours",2023-12-07T14:08:58,2020-01-02,1.2.3,p1';

/** A cohort as CSV. */
export const csv: Target = {
  name: 'csv',
  maxMemory: 64 * 1024 * 1024,
  corpus: () =>
    [
      `${HEADING}\n${ROW}\n${ROW}\n`,
      `\uFEFF${HEADING},series_uid\r\n${ROW},1.2\\1.3\r\n\r\n4.0,,,Ä,,,,,\r\n`,
      `${HEADING}\r${ROW}\r`,
      `${HEADING}\n"${',\n'.repeat(40)}`,
    ].map((text) => Buffer.from(text)),
  async run(input) {
    try {
      for await (const portion of csvSource(asFile(input, 'cohort.csv')))
        for (const row of portion) if (row.kind === 'row') JSON.stringify(row.fields);
    } catch (error) {
      if (!(error instanceof CohortFileError)) throw error;
    }
  },
};

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeParquet } from '../../src/core/exports/index.js';
import { STUDY_DATE, type Story } from './studies.js';

/** Writes the cohort of the stories as OMOP-ES writes an extract. */
export async function writeExtract(
  folder: string,
  project: string,
  stories: readonly Story[],
): Promise<void> {
  await mkdir(join(folder, 'private'), { recursive: true });
  await mkdir(join(folder, 'public', 'omop'), { recursive: true });
  const summary = { settings: { cdm_source_name: project }, datetime: '2026-01-31T08:00:00' };
  await writeFile(join(folder, 'extract_summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  await writeParquet(
    join(folder, 'private', 'PERSON_LINKS.parquet'),
    [
      { name: 'person_id', type: 'int64' },
      { name: 'PrimaryMrn', type: 'string' },
    ],
    stories.map(({ mrn }, index) => ({ person_id: index + 1, PrimaryMrn: mrn })),
  );
  await writeParquet(
    join(folder, 'private', 'PROCEDURE_OCCURRENCE_LINKS.parquet'),
    [
      { name: 'procedure_occurrence_id', type: 'int64' },
      { name: 'AccessionNumber', type: 'string' },
      { name: 'StudyUid_X', type: 'string' },
    ],
    stories.map(({ accessionNumber, studyInstanceUid }, index) => ({
      procedure_occurrence_id: 100 + index,
      AccessionNumber: accessionNumber,
      StudyUid_X: studyInstanceUid === '' ? null : studyInstanceUid,
    })),
  );
  await writeParquet(
    join(folder, 'public', 'omop', 'PROCEDURE_OCCURRENCE.parquet'),
    [
      { name: 'procedure_occurrence_id', type: 'int64' },
      { name: 'person_id', type: 'int64' },
      { name: 'procedure_date', type: 'date' },
    ],
    stories.map((_, index) => ({
      procedure_occurrence_id: 100 + index,
      person_id: index + 1,
      procedure_date: STUDY_DATE,
    })),
  );
}

import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';

/** Runs `work` on a database in memory, with Python's and PIXL's tool of choice: another reader and writer than ours. */
export async function withDuckDb<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  try {
    return await work(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** The messages of an extract by an SQL join over its files, in the order of study dates. */
export function messagesBySql(
  connection: DuckDBConnection,
  files: {
    readonly people: string;
    readonly accessions: string;
    readonly procedures: string;
  },
): Promise<Record<string, unknown>[]> {
  return rowsOf(
    connection,
    `WITH joined AS (
       SELECT trim(p.PrimaryMrn) AS mrn, trim(a.AccessionNumber) AS accession_number,
              trim(coalesce(a.StudyUid_X, '')) AS study_uid, o.procedure_date::varchar AS study_date,
              o.procedure_occurrence_id::integer AS procedure_occurrence_id
       FROM read_parquet('${files.people}') p
       JOIN read_parquet('${files.procedures}') o USING (person_id)
       JOIN read_parquet('${files.accessions}') a USING (procedure_occurrence_id)
       WHERE trim(coalesce(a.AccessionNumber, '')) <> '')
     SELECT * FROM joined
     QUALIFY row_number() OVER (PARTITION BY mrn, accession_number, study_uid ORDER BY study_date, procedure_occurrence_id) = 1
     ORDER BY study_date, procedure_occurrence_id`,
  );
}

export async function rowsOf(connection: DuckDBConnection, sql: string): Promise<Record<string, unknown>[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJson();
}

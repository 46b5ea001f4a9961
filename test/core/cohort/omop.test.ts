import { expect } from 'chai';
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  badRowText,
  CohortFileError,
  CohortRowsError,
  readCohort,
  type ReadCohortOptions,
} from '../../../src/core/cohort/index.js';
import { encodeImagingMessage } from '../../../src/core/message.js';
import { fixture } from '../../support/fixtures.js';
import { withTempDir } from '../../support/temp-dir.js';
import { messagesBySql, withDuckDb } from './duckdb.js';

const PEOPLE = 'private/PERSON_LINKS.parquet';
const ACCESSIONS = 'private/PROCEDURE_OCCURRENCE_LINKS.parquet';
const PROCEDURES = 'public/omop/PROCEDURE_OCCURRENCE.parquet';

type Fields = Record<string, unknown>;

async function messagesOf(path: string, options?: ReadCohortOptions): Promise<Fields[]> {
  const cohort = await readCohort(path, options);
  try {
    return [...cohort.messages()].map(
      ({ message }) => JSON.parse(encodeImagingMessage(message).toString()) as Fields,
    );
  } finally {
    cohort.close();
  }
}

/** What a message shares with the join. */
function joinedFields(messages: readonly Fields[]): Fields[] {
  return messages.map(({ mrn, accession_number, study_uid, study_date, procedure_occurrence_id }) => ({
    ...{ mrn, accession_number, study_uid, study_date, procedure_occurrence_id },
  }));
}

/** One procedure may have several messages: its person, several MRNs. */
function inAnyOrder(messages: readonly Fields[]): string[] {
  const values = messages.map(({ mrn, accession_number, study_uid, study_date, procedure_occurrence_id }) =>
    JSON.stringify([mrn, accession_number, study_uid, study_date, procedure_occurrence_id]),
  );
  return values.sort();
}

/** A copy of the real extract in which files may be changed. */
async function withExtract(work: (folder: string) => Promise<void>): Promise<void> {
  await withTempDir(async (folder) => {
    cpSync(fixture('omop'), folder, { recursive: true });
    await work(folder);
  }, 'omop');
}

async function errorOf(path: string, options?: ReadCohortOptions): Promise<Error> {
  try {
    (await readCohort(path, options)).close();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was read');
}

describe('an OMOP extract', () => {
  it('gives the same messages as an SQL join in DuckDB over the same files', async () => {
    const folder = fixture('omop');
    const expected = await withDuckDb((connection) =>
      messagesBySql(connection, {
        people: join(folder, PEOPLE),
        accessions: join(folder, ACCESSIONS),
        procedures: join(folder, PROCEDURES),
      }),
    );
    const messages = await messagesOf(folder);
    expect(expected).to.have.length(2);
    expect(joinedFields(messages)).to.deep.equal(expected);
    for (const message of messages)
      expect(message).to.include({
        project_name: 'Test Extract - UCLH OMOP CDM',
        extract_generated_timestamp: '2023-12-07T14:08:58',
      });
  });

  it('written in parts by DuckDB, compressed, with nulls, blanks and keys that join several rows, is the same too', async () => {
    await withTempDir(async (folder) => {
      cpSync(fixture('omop/extract_summary.json'), join(folder, 'extract_summary.json'));
      const tables = {
        people: 'private/person_links',
        accessions: 'private/procedure_occurrence_links',
        procedures: 'public/omop/procedure_occurrence',
      };
      for (const table of Object.values(tables)) mkdirSync(join(folder, table), { recursive: true });
      const expected = await withDuckDb(async (connection) => {
        for (let part = 0; part < 3; part += 1) {
          const write = async (table: string, sql: string, options: string): Promise<void> => {
            const path = join(folder, table, `part-${part}.parquet`);
            await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, ${options})`);
          };
          const ids = `range(${part * 4000}, ${(part + 1) * 4000}) t(i)`;
          await write(
            tables.people,
            `SELECT (i // 4)::BIGINT AS person_id, CASE WHEN i % 2 = 0 THEN ' MRN'||(i // 4)||' ' ELSE 'ALT'||(i // 4) END AS PrimaryMrn FROM ${ids} WHERE i % 4 < 1 OR i % 1001 = 1`,
            'COMPRESSION snappy',
          );
          await write(
            tables.accessions,
            `SELECT i::INTEGER AS procedure_occurrence_id, CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '  ' ELSE 'AA'||(i // 3) END AS AccessionNumber,
             CASE WHEN i % 3 = 0 THEN NULL ELSE '1.2.3.'||(i // 3) END AS StudyUid_X FROM ${ids}`,
            'COMPRESSION gzip, ROW_GROUP_SIZE 2048',
          );
          await write(
            tables.procedures,
            `SELECT i::INTEGER AS procedure_occurrence_id, ((i * 7) % 3500)::INTEGER AS person_id, DATE '1999-12-25' + (i % 50)::INTEGER AS procedure_date, 'x' AS other FROM ${ids}`,
            'COMPRESSION uncompressed',
          );
        }
        const at = (table: string): string => join(folder, table, '*.parquet');
        return messagesBySql(connection, {
          people: at(tables.people),
          accessions: at(tables.accessions),
          procedures: at(tables.procedures),
        });
      });
      const messages = joinedFields(await messagesOf(folder));
      expect(expected.length).to.be.greaterThan(5_000);
      const dates = messages.map((message) => message['study_date']);
      expect(dates).to.deep.equal([...dates].sort());
      expect(inAnyOrder(messages)).to.deep.equal(inAnyOrder(expected));
    }, 'batched');
  });

  for (const file of [PEOPLE, ACCESSIONS, PROCEDURES, 'extract_summary.json'])
    it(`without ${file} is an error that names it`, () =>
      withExtract(async (folder) => {
        rmSync(join(folder, file));
        const error = await errorOf(folder);
        expect(error).to.be.instanceOf(CohortFileError);
        expect(error.message).to.contain(file).and.to.contain('no such file');
      }));

  it('with a file as a whole and in parts is an error', () =>
    withExtract(async (folder) => {
      mkdirSync(join(folder, 'private/person_links'));
      expect((await errorOf(folder)).message).to.contain('one of them must go');
    }));

  for (const [what, table, sql, message] of [
    [
      'lacks a column',
      ACCESSIONS,
      'SELECT procedure_occurrence_id, AccessionNumber FROM old',
      'the column StudyUid_X is missing',
    ],
    [
      'has a column of numbers for text',
      PEOPLE,
      'SELECT person_id, 12345678::BIGINT AS PrimaryMrn FROM old',
      'the column PrimaryMrn holds INT_64 where text (UTF8) is expected',
    ],
    [
      'has text for a date column of numbers',
      PROCEDURES,
      'SELECT * REPLACE (1.5::DOUBLE AS procedure_date) FROM old',
      'the column procedure_date holds DOUBLE where a date is expected',
    ],
    [
      'has a list for a column',
      PEOPLE,
      'SELECT person_id, [PrimaryMrn] AS PrimaryMrn FROM old',
      'the column PrimaryMrn holds',
    ],
  ] as const)
    it(`that ${what} is an error that names file and column`, () =>
      withExtract(async (folder) => {
        await rewrite(join(folder, table), sql);
        const error = await errorOf(folder);
        expect(error).to.be.instanceOf(CohortFileError);
        expect(error.message).to.contain(`${table}: ${message}`);
      }));

  for (const [what, table, sql, options] of [
    ['compressed with LZ4_RAW', PEOPLE, 'SELECT * FROM old', 'COMPRESSION lz4_raw'],
    [
      'with texts that are not marked as such',
      PEOPLE,
      'SELECT * REPLACE (PrimaryMrn::BLOB AS PrimaryMrn) FROM old',
      '',
    ],
    [
      'with accession numbers that are not marked as texts',
      ACCESSIONS,
      'SELECT * REPLACE (AccessionNumber::BLOB AS AccessionNumber) FROM old',
      '',
    ],
    ...[
      'DECIMAL(38,0)',
      'DECIMAL(38,4)',
      'DECIMAL(9,0)',
      'DECIMAL(18,0)',
      'HUGEINT',
      'FLOAT',
      'VARCHAR',
      'UTINYINT',
    ].map(
      (type) =>
        [
          `with ${type} as person_id`,
          PEOPLE,
          `SELECT * REPLACE (person_id::${type} AS person_id) FROM old`,
          '',
        ] as const,
    ),
    ...['DOUBLE', 'FLOAT', 'INTEGER', 'BIGINT', 'BOOLEAN', 'DATE', 'DECIMAL(38,0)', 'UUID'].map(
      (type) =>
        [
          `with study UIDs that are all null, of type ${type}`,
          ACCESSIONS,
          `SELECT * REPLACE (NULL::${type} AS StudyUid_X) FROM old`,
          '',
        ] as const,
    ),
    [
      'with date-times as texts',
      PROCEDURES,
      "SELECT * REPLACE (procedure_date::VARCHAR || ' 10:11:12' AS procedure_date) FROM old",
      '',
    ],
  ] as const)
    it(`${what} is read`, () =>
      withExtract(async (folder) => {
        const expected = joinedFields(await messagesOf(folder)).map((message) =>
          what.includes('study UIDs') ? { ...message, study_uid: '' } : message,
        );
        await rewrite(join(folder, table), sql, options === '' ? 'COMPRESSION snappy' : options);
        expect(joinedFields(await messagesOf(folder))).to.deep.equal(expected);
      }));

  it('leaves out what pandas takes for no value, and says how many rows find no person, and which', () =>
    withExtract(async (folder) => {
      await rewrite(join(folder, PEOPLE), 'SELECT * REPLACE (person_id + 1000000 AS person_id) FROM old');
      const remarks: string[] = [];
      const cohort = await readCohort(folder, {
        onRemark: ({ kind, reasons }) => remarks.push(`${kind}: ${reasons.map(badRowText).join('; ')}`),
      });
      cohort.close();
      expect(cohort.counts).to.include({ messages: 0, bad: 0, duplicates: 0 });
      expect(cohort.counts.rows).to.equal(cohort.counts.leftOut);
      expect(cohort.withoutPerson).to.equal(2);
      expect(remarks.filter((text) => text.includes('no person has'))).to.have.length(2);
      expect(remarks[0]).to.match(/^left out: private.PROCEDURE_OCCURRENCE_LINKS.parquet, row \d+/);
      await rewrite(join(folder, ACCESSIONS), "SELECT * REPLACE ('nan' AS AccessionNumber) FROM old");
      const none = await readCohort(folder);
      none.close();
      expect([none.withoutPerson, none.counts.messages]).to.deep.equal([0, 0]);
    }));

  it('names what a spreadsheet did to its values by file, row and column', () =>
    withExtract(async (folder) => {
      await rewrite(join(folder, ACCESSIONS), "SELECT * REPLACE ('1.67683E+15' AS AccessionNumber) FROM old");
      const error = await errorOf(folder);
      expect(error.message).to.match(
        /LINKS.parquet, row \d+, column AccessionNumber: a number in scientific notation/,
      );
    }));

  it('with a file that is none of parquet, or is cut off, is an error that names it', () =>
    withExtract(async (folder) => {
      writeFileSync(join(folder, PEOPLE), 'no parquet, but 12345678');
      const error = await errorOf(folder);
      expect(error).to.be.instanceOf(CohortFileError);
      expect(error.message).to.contain(PEOPLE).and.not.to.contain('12345678');
    }));

  it('with null keys and dates names file, row and column, and no identifier; without those rows it can be read', () =>
    withExtract(async (folder) => {
      await rewrite(
        join(folder, PROCEDURES),
        `SELECT * REPLACE (CASE WHEN procedure_occurrence_id = 4 THEN NULL ELSE procedure_date END AS procedure_date,
                           CASE WHEN procedure_occurrence_id = 2 THEN NULL ELSE person_id END AS person_id) FROM old`,
      );
      const error = await errorOf(folder);
      expect(error).to.be.instanceOf(CohortRowsError);
      expect(error.message)
        .to.contain(`${PROCEDURES}, row 2, column person_id: null`)
        .and.to.contain(`${PROCEDURES}, row 4, column procedure_date: null`)
        .and.to.contain('2 bad rows')
        .and.not.to.match(/987654321|AA12345/);
      expect(await messagesOf(folder, { skipBadRows: true })).to.have.length(1);
    }));

  it('with a value that would widen a query names the row of the table that holds it', () =>
    withExtract(async (folder) => {
      await rewrite(
        join(folder, PEOPLE),
        "SELECT * REPLACE (CASE WHEN person_id = 2 THEN '98765*' ELSE PrimaryMrn END AS PrimaryMrn) FROM old",
      );
      const error = await errorOf(folder);
      expect(error.message)
        .to.contain(`${PEOPLE}, row 2, column PrimaryMrn: holds a wild card`)
        .and.not.to.contain('98765');
    }));

  for (const [what, text, message] of [
    ['no JSON', '{', 'JSON'],
    ['null', 'null', 'settings.cdm_source_name is missing'],
    [
      'without a name',
      '{"datetime": "2023-12-07 14:08:58", "settings": {}}',
      'settings.cdm_source_name is missing',
    ],
    ['without a time', '{"settings": {"cdm_source_name": "P"}}', 'datetime is missing'],
  ] as const)
    it(`whose summary is ${what} is an error that names it`, () =>
      withExtract(async (folder) => {
        writeFileSync(join(folder, 'extract_summary.json'), text);
        const error = await errorOf(folder);
        expect(error).to.be.instanceOf(CohortFileError);
        expect(error.message).to.contain('extract_summary.json').and.to.contain(message);
      }));
});

/** Writes a parquet file anew; the one there was is the table `old`. */
async function rewrite(path: string, sql: string, options = 'COMPRESSION snappy'): Promise<void> {
  await withDuckDb(async (connection) => {
    await connection.run(`CREATE TABLE old AS SELECT * FROM read_parquet('${path}')`);
    await connection.run(`COPY (${sql}) TO '${path}.new' (FORMAT parquet, ${options})`);
  });
  renameSync(`${path}.new`, path);
}

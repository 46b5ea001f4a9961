import { expect } from 'chai';
import { join } from 'node:path';
import { ExportRowError } from '../../../src/core/exports/export-errors.js';
import {
  writeParquet,
  type ParquetColumn,
  type ParquetRecord,
} from '../../../src/core/exports/parquet-file.js';
import { withTempDir } from '../../support/temp-dir.js';
import { rowsOf, withDuckDb } from '../cohort/duckdb.js';

const COLUMNS: readonly ParquetColumn[] = [
  { name: 'id', type: 'int64', nullable: false },
  { name: 'number', type: 'int64' },
  { name: 'ratio', type: 'double' },
  { name: 'name', type: 'string' },
  { name: 'good', type: 'boolean' },
  { name: 'day', type: 'date' },
  { name: 'at', type: 'timestamp' },
];

/** Writes a file and asks DuckDB, with `FILE` for its path. */
async function ask(
  rows: Iterable<ParquetRecord>,
  columns: readonly ParquetColumn[],
  ...queries: readonly string[]
): Promise<Record<string, unknown>[][]> {
  return withTempDir(async (folder) => {
    const path = join(folder, 'some.parquet');
    await writeParquet(path, columns, rows);
    return withDuckDb(async (connection) => {
      await connection.run("SET TimeZone = 'UTC'");
      const answers: Record<string, unknown>[][] = [];
      for (const query of queries) answers.push(await rowsOf(connection, query.replace('FILE', `'${path}'`)));
      return answers;
    });
  }, 'parquet');
}

async function errorOf(rows: Iterable<ParquetRecord>): Promise<unknown> {
  return ask(rows, COLUMNS).catch((error: unknown) => error);
}

describe('A parquet file', () => {
  it('has the types that its columns say, a timestamp with its zone, for another reader', async () => {
    const [types, schema] = await ask(
      [{ id: 1 }],
      COLUMNS,
      'DESCRIBE SELECT * FROM FILE',
      "SELECT name, type, converted_type, logical_type, repetition_type FROM parquet_schema(FILE) WHERE name <> 'schema'",
    );
    expect(types?.map((row) => [row['column_name'], row['column_type']])).to.deep.equal([
      ['id', 'BIGINT'],
      ['number', 'BIGINT'],
      ['ratio', 'DOUBLE'],
      ['name', 'VARCHAR'],
      ['good', 'BOOLEAN'],
      ['day', 'DATE'],
      ['at', 'TIMESTAMP WITH TIME ZONE'],
    ]);
    // What pyarrow goes by: https://arrow.apache.org/docs/cpp/parquet.html#logical-types
    const meaning = schema?.map((row) => [
      row['name'],
      row['type'],
      row['converted_type'],
      row['logical_type'],
    ]);
    expect(meaning?.slice(3)).to.deep.equal([
      ['name', 'BYTE_ARRAY', 'UTF8', 'StringType()'],
      ['good', 'BOOLEAN', null, null],
      ['day', 'INT32', 'DATE', 'DateType()'],
      [
        'at',
        'INT64',
        'TIMESTAMP_MICROS',
        'TimestampType(isAdjustedToUTC=1, unit=TimeUnit(MILLIS=<null>, MICROS=MicroSeconds(), NANOS=<null>))',
      ],
    ]);
    expect(schema?.map((row) => row['repetition_type'])).to.deep.equal([
      'REQUIRED',
      ...Array<string>(6).fill('OPTIONAL'),
    ]);
  });

  it('has the values that were given, at the edges of their types, and nulls', async () => {
    const [rows] = await ask(
      [
        {
          id: 1,
          number: 2n ** 63n - 1n,
          ratio: 0.1,
          name: 'Zoë\u{1f600}',
          good: true,
          day: '0001-01-01',
          at: '2023-12-07T14:08:58.123456+01:00',
        },
        {
          id: -(2 ** 53) + 1,
          number: -(2n ** 63n),
          ratio: -1e300,
          name: '',
          good: false,
          day: new Date('1969-12-31T23:59:59Z'),
          at: new Date(-1),
        },
        { id: 3, number: null, name: undefined, at: '2023-12-07 14:08:58' },
      ],
      COLUMNS,
      'SELECT * REPLACE (number::varchar AS number, id::varchar AS id) FROM FILE',
    );
    expect(rows).to.deep.equal([
      {
        id: '1',
        number: '9223372036854775807',
        ratio: 0.1,
        name: 'Zoë\u{1f600}',
        good: true,
        day: '0001-01-01',
        at: '2023-12-07 13:08:58.123456+00',
      },
      {
        id: '-9007199254740991',
        number: '-9223372036854775808',
        ratio: -1e300,
        name: '',
        good: false,
        day: '1969-12-31',
        at: '1969-12-31 23:59:59.999+00',
      },
      { id: '3', number: null, ratio: null, name: null, good: null, day: null, at: '2023-12-07 14:08:58+00' },
    ]);
  });

  it('can be read when it is empty, when a column is all nulls, and over row groups', async () => {
    const [none] = await ask([], COLUMNS, 'SELECT count(*)::integer AS n FROM FILE');
    expect(none).to.deep.equal([{ n: 0 }]);
    const many = Array.from({ length: 120_000 }, (_, id) => ({ id, name: id % 3 === 0 ? null : `n${id}` }));
    const [sums, groups] = await ask(
      many,
      COLUMNS,
      'SELECT count(*)::integer AS n, sum(id)::varchar AS ids, count(name)::integer AS names, count(number)::integer AS numbers FROM FILE',
      'SELECT DISTINCT row_group_id::integer AS id, row_group_num_rows::integer AS n FROM parquet_metadata(FILE) ORDER BY 1',
    );
    expect(sums).to.deep.equal([{ n: 120_000, ids: '7199940000', names: 80_000, numbers: 0 }]);
    expect(groups).to.deep.equal([
      { id: 0, n: 50_000 },
      { id: 1, n: 50_000 },
      { id: 2, n: 20_000 },
    ]);
  });

  it('makes smaller row groups of long texts', async () => {
    const text = 'x'.repeat(1024 * 1024);
    const rows = Array.from({ length: 40 }, (_, id) => ({ id, name: text }));
    const [groups, texts] = await ask(
      rows,
      COLUMNS,
      'SELECT max(row_group_num_rows)::integer AS n FROM parquet_metadata(FILE)',
      'SELECT count(*)::integer AS n, min(length(name))::integer AS shortest FROM FILE',
    );
    expect(groups?.[0]?.['n']).to.be.within(10, 17);
    expect(texts).to.deep.equal([{ n: 40, shortest: text.length }]);
  });

  it('finds by a text that parquetjs would sort otherwise than its readers', async () => {
    // By UTF-16 the emoji comes first, by bytes last: in statistics, its row would be out of their range.
    const [rows] = await ask(
      [
        { id: 1, name: '\u{1f600}' },
        { id: 2, name: '\uff5e' },
      ],
      COLUMNS,
      "SELECT id::integer AS id FROM FILE WHERE name > '\uff5e'",
    );
    expect(rows).to.deep.equal([{ id: 1 }]);
  });

  it('is not made of values that its columns do not take, and the error quotes none', async () => {
    const bad: readonly (readonly [ParquetRecord, string])[] = [
      [{ id: 1.5 }, 'id'],
      [{ id: null }, 'id'],
      [{ id: 1, number: 2n ** 63n }, 'number'],
      [{ id: 1, number: 2 ** 53 }, 'number'],
      [{ id: 1, name: 5 }, 'name'],
      [{ id: 1, name: 'secret\ud800' }, 'name'],
      [{ id: 1, day: '2023-02-29' }, 'day'],
      [{ id: 1, at: 'yesterday' }, 'at'],
      [{ id: 1, at: new Date(NaN) }, 'at'],
      [{ id: 1, other: 'secret' }, 'other'],
    ];
    for (const [row, column] of bad) {
      const error = (await errorOf([{ id: 0 }, row])) as ExportRowError;
      expect(error).to.be.instanceOf(ExportRowError);
      expect([error.row, error.column]).to.deep.equal([2, column]);
      expect(error.message).not.to.contain('secret');
    }
  });
});

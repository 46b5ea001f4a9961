import { ParquetSchema, ParquetWriter } from '@dsnp/parquetjs';
import type { DuckDBConnection } from '@duckdb/node-api';
import { expect } from 'chai';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CohortFileError } from '../../../src/core/cohort/errors.js';
import { BadCell, parquetRows, type Cell, type WantedColumn } from '../../../src/core/cohort/parquet-rows.js';
import { withTempDir } from '../../support/temp-dir.js';
import { rowsOf, withDuckDb } from './duckdb.js';

const WANTED: readonly WantedColumn[] = [
  { name: 'id', kind: 'integer' },
  { name: 'small', kind: 'integer' },
  { name: 'unique_text', kind: 'text' },
  { name: 'common_text', kind: 'text' },
  { name: 'day', kind: 'date' },
];

/** Of 5,000 rows: a column of each kind, with runs of nulls and without, that a dictionary suits and not. */
const TABLE = `SELECT (i * 1000003 - 500)::BIGINT AS id,
  CASE WHEN i % 97 < 40 THEN NULL ELSE (i % 11)::INTEGER END AS small,
  CASE WHEN i % 3 = 0 THEN NULL ELSE '1.2.826.0.1.' || i || repeat('7', (i % 9)::INTEGER) END AS unique_text,
  CASE i % 4 WHEN 0 THEN 'Ärzte 日本' WHEN 1 THEN '' ELSE 'AA' || (i % 5) END AS common_text,
  CASE WHEN i BETWEEN 700 AND 3000 THEN NULL ELSE DATE '1969-12-20' + (i % 60)::INTEGER END AS day
  FROM range(5000) t(i)`;

async function cellsOf(path: string, wanted = WANTED): Promise<Cell[][]> {
  const rows: Cell[][] = [];
  for await (const portion of parquetRows(path, 'the file', wanted))
    for (const { number, cells } of portion) {
      expect(number).to.equal(rows.length + 1);
      rows.push([...cells]);
    }
  return rows;
}

async function written<T>(
  sql: string,
  options: string,
  work: (path: string, connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  return withTempDir(
    (folder) =>
      withDuckDb(async (connection) => {
        const path = join(folder, 'file.parquet');
        await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, ${options})`);
        return work(path, connection);
      }),
    'parquet',
  );
}

/** The same by DuckDB. */
async function cellsBySql(connection: DuckDBConnection, path: string): Promise<unknown[][]> {
  const rows = await rowsOf(
    connection,
    `SELECT id::DOUBLE AS id, small, unique_text, common_text, day::VARCHAR AS day FROM read_parquet('${path}')`,
  );
  return rows.map(({ id, small, unique_text, common_text, day }) => [
    ...[id, small, unique_text, common_text, day],
  ]);
}

describe('A parquet file', () => {
  for (const version of ['V1', 'V2'])
    for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw'])
      for (const group of [2048, 5000])
        it(`of version ${version}, ${codec}, in row groups of ${group}, is read as DuckDB reads it`, () =>
          written(
            TABLE,
            `COMPRESSION ${codec}, PARQUET_VERSION ${version}, ROW_GROUP_SIZE ${group}`,
            async (path, connection) => {
              expect(await cellsOf(path)).to.deep.equal(await cellsBySql(connection, path));
            },
          ));

  for (const compression of ['UNCOMPRESSED', 'SNAPPY', 'GZIP'] as const)
    it(`with data pages of version 2, ${compression}, is read as it was written`, () =>
      withTempDir(async (folder) => {
        const path = join(folder, 'file.parquet');
        const schema = new ParquetSchema({
          id: { type: 'INT64', compression },
          common_text: { type: 'UTF8', optional: true, compression },
          day: { type: 'DATE', optional: true, compression },
        });
        const writer = await ParquetWriter.openFile(schema, path, { useDataPageV2: true, pageSize: 500 });
        const expected: Cell[][] = [];
        for (let id = 0; id < 2_500; id += 1) {
          const text = id % 3 === 0 ? null : `Ä${id}`;
          const day = id % 700 < 300 ? null : '2020-02-29';
          expected.push([id, text, day]);
          await writer.appendRow({
            ...{ id, ...(text !== null && { common_text: text }) },
            ...(day !== null && { day: new Date(`${day}T00:00:00Z`) }),
          });
        }
        await writer.close();
        const wanted = WANTED.filter(({ name }) => ['id', 'common_text', 'day'].includes(name));
        expect(await cellsOf(path, wanted)).to.deep.equal(expected);
      }, 'parquet'));

  it('has the days of moments in INT96, as Impala and old Spark write them', () =>
    withTempDir(async (folder) => {
      const path = join(folder, 'file.parquet');
      const schema = new ParquetSchema({ day: { type: 'INT96', optional: true } });
      const writer = await ParquetWriter.openFile(schema, path);
      await writer.appendRow({ day: 0x01020304 });
      await writer.close();
      const bytes = readFileSync(path);
      const MARK = Buffer.from([4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
      // parquetjs writes no moment, only twelve bytes: the noon of 2020-02-29, and the last nanosecond before 1970.
      for (const [nanoseconds, day, expected] of [
        [43_200_000_000_000n, 2_458_909, '2020-02-29'],
        [86_399_999_999_999n, 2_440_587, '1969-12-31'],
        [0n, 2_440_588, '1970-01-01'],
      ] as const) {
        const value = Buffer.alloc(12);
        value.writeBigInt64LE(nanoseconds, 0);
        value.writeInt32LE(day, 8);
        const patched = Buffer.from(bytes);
        for (let at = patched.indexOf(MARK); at >= 0; at = patched.indexOf(MARK)) value.copy(patched, at);
        writeFileSync(path, patched);
        expect(await cellsOf(path, [{ name: 'day', kind: 'date' }])).to.deep.equal([[expected]]);
      }
    }, 'parquet'));

  it('whose column holds nulls alone gives nulls, whatever type the writer took for it', () =>
    written(
      'SELECT i AS id, NULL::VARCHAR AS common_text FROM range(3000) t(i)',
      'COMPRESSION snappy, PARQUET_VERSION V2',
      async (path) => {
        const rows = await cellsOf(path, [{ name: 'common_text', kind: 'text' }]);
        expect(rows).to.deep.equal(Array.from({ length: 3000 }, () => [null]));
      },
    ));

  it('has bad cells where a text is longer than any field, however many rows share it in a small file', () =>
    written(
      "SELECT i AS id, CASE i % 2 WHEN 0 THEN 'short' ELSE repeat('x', 70000) END AS common_text FROM range(300) t(i)",
      'COMPRESSION zstd',
      async (path) => {
        expect(statSync(path).size).to.be.lessThan(10_000);
        const cells = (await cellsOf(path, [{ name: 'common_text', kind: 'text' }])).flat();
        expect(cells).to.have.length(300);
        expect(cells[0]).to.equal('short');
        expect(cells[1]).to.deep.equal(new BadCell('longer than 65536 bytes'));
      },
    ));

  it('whose footer has structures within structures, without end, is an error that names the file', () =>
    withTempDir(async (folder) => {
      const path = join(folder, 'file.parquet');
      const depth = 1_000_000; // the compact protocol: a field 15 that no footer has, a structure, whose field 1 is one, and so on
      const footer = Buffer.concat([Buffer.of(0xfc), Buffer.alloc(depth, 0x1c), Buffer.alloc(depth + 2)]);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(footer.length);
      writeFileSync(path, Buffer.concat([Buffer.from('PAR1'), footer, length, Buffer.from('PAR1')]));
      const error = await cellsOf(path).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(CohortFileError);
      expect((error as Error).message).to.contain('the file');
    }, 'parquet'));

  it('gives the day in UTC of moments in every unit, before 1970 too', async () => {
    for (const type of ['TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP', 'TIMESTAMP_NS'])
      await written(
        `SELECT unnest(['1969-12-31 23:59:59', '1970-01-01 00:00:00', '2023-02-28 23:59:59'])::${type} AS day`,
        'COMPRESSION snappy',
        async (path) => {
          const rows = await cellsOf(path, [{ name: 'day', kind: 'date' }]);
          expect(rows.flat(), type).to.deep.equal(['1969-12-31', '1970-01-01', '2023-02-28']);
        },
      );
    await written(
      "SELECT TIMESTAMP_NS '2023-02-28 23:59:59.999999999' AS day",
      'COMPRESSION snappy',
      async (path) =>
        expect(await cellsOf(path, [{ name: 'day', kind: 'date' }])).to.deep.equal([['2023-02-28']]),
    );
  });

  it('has integers of every width and sign; those beyond 2^53 and fractions are bad cells', async () => {
    for (const [type, values, expected] of [
      ['TINYINT', [-128, 127], [-128, 127]],
      ['UTINYINT', [0, 255], [0, 255]],
      ['UINTEGER', [0, 4294967295], [0, 4294967295]],
      ['BIGINT', ['-9007199254740991', '9007199254740991'], [-9007199254740991, 9007199254740991]],
      ['DOUBLE', [-2, 4], [-2, 4]],
      ['BIGINT', ['9007199254740993'], [null]],
      ['UBIGINT', ['18446744073709551615'], [null]],
      ['DOUBLE', ['2.5'], [null]],
    ] as const)
      await written(
        `SELECT unnest([${values.join(', ')}])::${type} AS id`,
        'COMPRESSION snappy',
        async (path) => {
          const cells = (await cellsOf(path, [{ name: 'id', kind: 'integer' }])).flat();
          expect(
            cells.map((cell) => (cell instanceof BadCell ? null : cell)),
            type,
          ).to.deep.equal(expected);
        },
      );
  });

  it('of a million rows in one row group and one page takes no more memory than the page and its portion', async function () {
    await written(
      `SELECT i AS id, '1.2.826.0.1.3680043.9.7156.1.' || i || '.1710754859' AS unique_text FROM range(1000000) t(i)`,
      'COMPRESSION snappy, ROW_GROUP_SIZE 1000000',
      async (path) => {
        const before = process.memoryUsage().rss;
        let [rows, most] = [0, 0];
        const wanted = WANTED.filter(({ name }) => name === 'id' || name === 'unique_text');
        for await (const portion of parquetRows(path, 'the file', wanted)) {
          rows += portion.length;
          most = Math.max(most, process.memoryUsage().rss);
        }
        expect(rows).to.equal(1_000_000);
        expect((most - before) / 2 ** 20, 'MiB more').to.be.below(250);
      },
    );
  });

  for (const damage of ['cut', 'changed'] as const)
    it(`that was ${damage} anywhere is read as it is or is an error of its own, never another`, async function () {
      await written(TABLE.replace('5000', '300'), 'COMPRESSION snappy', async (path) => {
        const whole = readFileSync(path);
        let refused = 0;
        const step = Math.ceil(whole.length / 400);
        for (let at = 0; at < whole.length; at += step) {
          const bytes = damage === 'cut' ? whole.subarray(0, at) : Buffer.from(whole);
          if (damage === 'changed') bytes[at] = (bytes[at] ?? 0) ^ 0xff;
          writeFileSync(path, bytes);
          const error = await cellsOf(path).then(
            () => null,
            (reason: unknown) => reason,
          );
          if (error === null) continue;
          refused += 1;
          expect(error, `byte ${at}`).to.be.instanceOf(CohortFileError);
          expect((error as Error).message, `byte ${at}`).not.to.match(/1\.2\.826|Ärzte/);
        }
        expect(refused).to.be.above(50);
      });
    });
});

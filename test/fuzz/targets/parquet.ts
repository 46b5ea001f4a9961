import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CohortFileError } from '../../../src/core/cohort/errors.js';
import { parquetRows, type WantedColumn } from '../../../src/core/cohort/parquet-rows.js';
import { fixture } from '../../support/fixtures.js';
import type { Target } from '../target.js';
import { asFile } from './files.js';

const WANTED: readonly WantedColumn[] = [
  { name: 'id', kind: 'integer' },
  { name: 'label', kind: 'text' },
  { name: 'day', kind: 'date' },
];
/** A column of nulls may say that it has billions; they come in portions, and nobody has to take all of them. */
const ENOUGH_ROWS = 20_000;

/** An extract's tables. */
export const parquet: Target = {
  name: 'parquet',
  // A page may have 128 MiB, compressed and not.
  maxMemory: 400 * 1024 * 1024,
  corpus: () => {
    const folder = fixture('fuzz/corpus/parquet');
    return readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  },
  async run(input) {
    let rows = 0;
    try {
      for await (const portion of parquetRows(asFile(input, 'table.parquet'), 'the table', WANTED)) {
        rows += portion.length;
        if (rows > ENOUGH_ROWS) return;
      }
    } catch (error) {
      if (!(error instanceof CohortFileError)) throw error;
    }
  },
};

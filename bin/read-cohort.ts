import type { Closers } from '../src/core/closers.js';
import type { Config } from '../src/core/config/index.js';
import {
  badRowText,
  MOST_NAMED_ROWS,
  readCohort,
  type Cohort,
  type RowRemark,
} from '../src/core/cohort/index.js';
import { CountBar } from './count-bar.js';
import { optOutsOf } from './opt-outs.js';
import { printRemark } from './output.js';

/** What commands that read a cohort take (`addCohortOptions`). */
export interface CohortOptions {
  readonly skipBadRows?: true;
  readonly acceptSpreadsheetNumbers?: true;
  readonly delimiter?: string;
  readonly verbose?: true;
}

/**
 * Reads it, and says of which rows no message was made, and why. It is closed with the others.
 *
 * @throws OptOutFileError when a list of those who opted out is configured and can't be used; what readCohort throws
 */
export async function readNamedCohort(
  path: string,
  config: Config,
  options: CohortOptions,
  closers: Closers,
): Promise<Cohort> {
  const optedOut = await optOutsOf(config).current();
  const bar = new CountBar('reading', 'rows');
  const remarks = new Remarks(options);
  try {
    const cohort = await readCohort(path, {
      skipBadRows: options.skipBadRows === true,
      acceptSpreadsheetNumbers: options.acceptSpreadsheetNumbers === true,
      ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
      isOptedOut: (mrn) => optedOut.has(mrn),
      onProgress: (rows) => bar.show(rows, 0),
      onRemark: (remark) => remarks.take(remark),
    });
    closers.add('cohort', () => cohort.close());
    return cohort;
  } finally {
    bar.stop();
    remarks.print();
  }
}

/** The first ten rows of each kind, or all as they come. */
class Remarks {
  readonly #options: CohortOptions;
  readonly #kept = new Map<RowRemark['kind'], RowRemark[]>();
  readonly #counts = new Map<RowRemark['kind'], number>();

  constructor(options: CohortOptions) {
    this.#options = options;
  }

  take(remark: RowRemark): void {
    const { verbose, skipBadRows } = this.#options;
    if (verbose === true) {
      printRow(remark);
      return;
    }
    if (remark.kind === 'bad' && skipBadRows !== true) return; // they are in the error
    const count = (this.#counts.get(remark.kind) ?? 0) + 1;
    this.#counts.set(remark.kind, count);
    const kept = this.#kept.get(remark.kind) ?? [];
    this.#kept.set(remark.kind, kept);
    if (count <= MOST_NAMED_ROWS) kept.push(remark);
  }

  print(): void {
    for (const [kind, kept] of this.#kept) {
      for (const remark of kept) printRow(remark);
      const more = (this.#counts.get(kind) ?? 0) - kept.length;
      if (more > 0) printRemark(`${kind}: ${more} more; --verbose names them all`);
    }
  }
}

function printRow({ kind, reasons }: RowRemark): void {
  for (const reason of reasons) printRemark(`${kind}: ${badRowText(reason)}`);
}

/** What was read of a cohort, in the words of the help. */
export function cohortText({ counts, projects, withoutPerson }: Cohort): string {
  return [
    `${counts.rows} rows: ${counts.messages} messages, ${counts.duplicates} duplicates, ${counts.leftOut} left out, ${counts.bad} bad`,
    ...(counts.optedOut > 0 ? [`${counts.optedOut} of the rows are of patients who opted out`] : []),
    ...(withoutPerson > 0 ? [`${withoutPerson} of the rows found no person`] : []),
    ...[...projects].map(([project, messages]) => `  ${project}: ${messages} messages`),
  ].join('\n');
}

/** The same for `--json`. */
export function cohortJson({ counts, projects, withoutPerson }: Cohort): object {
  return {
    rows: counts.rows,
    left_out: counts.leftOut,
    opted_out: counts.optedOut,
    ...(withoutPerson === 0 ? {} : { without_person: withoutPerson }),
    duplicates: counts.duplicates,
    bad_rows: counts.bad,
    messages: counts.messages,
    projects: [...projects].map(([project_name, messages]) => ({ project_name, messages })),
  };
}

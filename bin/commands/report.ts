import { Closers } from '../../src/core/closers.js';
import { ENDINGS, Ledger, type Ending, type Transfer, type TransferFilter } from '../../src/core/db/index.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { MAX_WIDTH, printLine, wrapped, write } from '../output.js';
import { printable } from '../printable.js';
import { backingFor } from '../backing.js';
import { REMARK_WORDS } from '../remark-words.js';
import {
  csvLine,
  exclusionsText,
  REPORT_CSV_COLUMNS,
  studiesText,
  transferCsv,
  transferJson,
} from '../transfer-formats.js';
import { UsageError } from '../usage-error.js';
import { commandLoggerFor } from '../logging.js';

export interface ReportOptions {
  readonly project?: string;
  readonly outcome?: readonly Ending[];
  readonly json?: true;
  readonly csv?: true;
  readonly wide?: true;
  readonly embedded?: true;
}

export async function report(options: ReportOptions): Promise<ExitCode> {
  if (options.json === true && options.csv === true) throw new UsageError('--json or --csv, not both');
  if (options.wide === true && (options.json ?? options.csv) === true)
    throw new UsageError('--wide is for the table');
  const { project, outcome } = options;
  const embedded = options.embedded === true;
  const config = embedded ? readConfig() : readConfig('database');
  const closers = new Closers();
  try {
    const ledger = new Ledger(
      await backingFor(config, embedded, commandLoggerFor(config), closers).database(),
    );
    const filter = {
      ...(project === undefined ? {} : { project }),
      ...(outcome === undefined ? {} : { outcomes: outcome }),
    };
    if (options.json === true) await printAsJson(ledger, filter);
    else if (options.csv === true) await printAsCsv(ledger, filter);
    else await printAsTable(ledger, filter, options.wide === true);
    return Exit.Done;
  } finally {
    await closers.closeAll();
  }
}

/** One document, written row by row: a ledger may have a million of them. */
async function printAsJson(ledger: Ledger, filter: TransferFilter): Promise<void> {
  let before = '[\n';
  for await (const transfer of ledger.list(filter)) {
    await write(`${before}  ${JSON.stringify(transferJson(transfer))}`);
    before = ',\n';
  }
  await write(before === '[\n' ? '[]\n' : '\n]\n');
}

async function printAsCsv(ledger: Ledger, filter: TransferFilter): Promise<void> {
  const heading = csvLine(REPORT_CSV_COLUMNS);
  await writeUnder(heading, ledger.list(filter), (transfer) => csvLine(transferCsv(transfer)));
}

/** The heading comes with the first row, or when there is none: before an error it would look like an empty ledger. */
async function writeUnder(
  heading: string,
  transfers: AsyncIterable<Transfer>,
  textOf: (transfer: Transfer) => string,
): Promise<void> {
  let before = heading;
  for await (const transfer of transfers) {
    await write(before + textOf(transfer));
    before = '';
  }
  await write(before);
}

type Column = readonly [heading: string, width: number, cellOf: (row: Transfer) => string | number | null];

const COLUMNS: readonly Column[] = [
  ['project', 16, (row) => row.projectName],
  ['mrn', 12, (row) => row.mrn],
  ['accession', 16, (row) => row.accessionNumber],
  ['outcome', 10, (row) => row.outcome],
  ['archive', 9, (row) => row.archive],
  ['images', 11, ({ images }) => `${images.delivered} of ${images.expected}`],
  ['tries', 5, (row) => row.attempts],
  ['seconds', 7, (row) => (row.durationMs / 1000).toFixed(1)],
];

/** Not bound to a terminal's width. */
const WIDE_COLUMNS: readonly Column[] = [
  ...COLUMNS.slice(0, 5),
  ['study uid', 64, (row) => studiesText(row)],
  ['expected', 8, (row) => row.images.expected],
  ['in raw', 6, (row) => row.images.alreadyInRaw],
  ['retrieved', 9, (row) => row.images.retrieved],
  ['delivered', 9, (row) => row.images.delivered],
  ['excluded', 8, (row) => row.excluded.length],
  ['refused', 7, (row) => row.refused.length],
  ['missing', 7, (row) => row.missingUids.length],
  ...COLUMNS.slice(6),
  ['reason', 0, (row) => row.reason],
];

async function printAsTable(ledger: Ledger, filter: TransferFilter, wide: boolean): Promise<void> {
  const columns = wide ? WIDE_COLUMNS : COLUMNS;
  const counts = new Map<Ending, number>();
  const heading = rowText(
    columns,
    columns.map(([name]) => name),
  );
  await writeUnder(heading, ledger.list(filter), (transfer) => {
    counts.set(transfer.outcome, (counts.get(transfer.outcome) ?? 0) + 1);
    const cells = columns.map(([, , cellOf]) => printable(String(cellOf(transfer) ?? '-')));
    return wide ? rowText(columns, cells) : narrowText(cells) + belowText(transfer);
  });
  const totals = ENDINGS.filter((ending) => counts.has(ending)).map(
    (ending) => `${counts.get(ending) ?? 0} ${ending}`,
  );
  printLine(`\n${totals.length === 0 ? 'no messages' : totals.join(', ')}`);
}

function rowText(columns: readonly Column[], cells: readonly string[]): string {
  const padded = cells.map((cell, column) => cell.padEnd(columns[column]?.[1] ?? 0));
  return `${padded.join('  ').trimEnd()}\n`;
}

/** A cell that is too long for its column goes on in the lines below. */
function narrowText(cells: readonly string[]): string {
  const pieces = cells.map((cell, column) => wrapped(cell, COLUMNS[column]?.[1] ?? 1));
  const height = Math.max(...pieces.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) =>
    rowText(
      COLUMNS,
      pieces.map((piece) => piece[line] ?? ''),
    ),
  ).join('');
}

const REASON_INDENT = '    ';

/** Of instances that are named, so many; all are in `--json` and `--csv`. */
const MOST_NAMED = 10;

/** The reason, what else is worth knowing of it, and which instances did not arrive. */
function belowText(row: Transfer): string {
  const { reason, remarks, warnings, missingUids, refused, excluded } = row;
  const texts = [
    ...(reason === null ? [] : [reason]),
    ...remarks.map((remark) => REMARK_WORDS[remark]),
    ...(warnings === 0 ? [] : [`${warnings} images were taken with a warning`]),
    ...(excluded.length === 0 ? [] : [`excluded: ${exclusionsText(row)}`]),
    ...named(excluded, ({ sopInstanceUid, rule }) => `excluded: ${sopInstanceUid}: ${rule}`),
    ...named(refused, ({ sopInstanceUid, reason: why }) => `refused: ${sopInstanceUid}: ${why}`),
    ...named(missingUids, (uid) => `missing: ${uid}`),
  ];
  return texts
    .flatMap((text) => wrapped(printable(text), MAX_WIDTH - REASON_INDENT.length))
    .map((line) => `${REASON_INDENT}${line}\n`)
    .join('');
}

function named<T>(all: readonly T[], textOf: (one: T) => string): string[] {
  const texts = all.slice(0, MOST_NAMED).map(textOf);
  return all.length > MOST_NAMED ? [...texts, `and ${all.length - MOST_NAMED} more`] : texts;
}

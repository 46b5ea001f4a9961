import { Closers } from '../../src/core/closers.js';
import { ENDINGS, Ledger, type Ending, type Transfer, type TransferFilter } from '../../src/core/db/index.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { MAX_WIDTH, printLine, wrapped, write } from '../output.js';
import { printable } from '../printable.js';
import { backingFor } from '../backing.js';
import { csvLine, REPORT_CSV_COLUMNS, studiesText, transferCsv, transferJson } from '../transfer-formats.js';
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
    return wide ? rowText(columns, cells) : narrowText(cells) + reasonText(transfer);
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

function reasonText({ reason }: Transfer): string {
  if (reason === null) return '';
  const lines = wrapped(printable(reason), MAX_WIDTH - REASON_INDENT.length);
  return lines.map((line) => `${REASON_INDENT}${line}\n`).join('');
}

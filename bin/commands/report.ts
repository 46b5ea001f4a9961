import { Closers } from '../../src/core/closers.js';
import { ENDINGS, Ledger, type Ending, type Transfer, type TransferFilter } from '../../src/core/db/index.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printLine, write } from '../output.js';
import { backingFor } from '../backing.js';
import { csvLine, REPORT_CSV_COLUMNS, transferCsv, transferJson } from '../transfer-formats.js';
import { UsageError } from '../usage-error.js';
import { loggerFor } from '../logging.js';

export interface ReportOptions {
  readonly project?: string;
  readonly outcome?: readonly Ending[];
  readonly json?: true;
  readonly csv?: true;
  readonly embedded?: true;
}

export async function report(options: ReportOptions): Promise<ExitCode> {
  if (options.json === true && options.csv === true) throw new UsageError('--json or --csv, not both');
  const { project, outcome } = options;
  const embedded = options.embedded === true;
  const config = embedded ? readConfig() : readConfig('database');
  const closers = new Closers();
  try {
    const ledger = new Ledger(await backingFor(config, embedded, loggerFor(config), closers).database());
    const filter = {
      ...(project === undefined ? {} : { project }),
      ...(outcome === undefined ? {} : { outcomes: outcome }),
    };
    if (options.json === true) await printAsJson(ledger, filter);
    else if (options.csv === true) await printAsCsv(ledger, filter);
    else await printAsTable(ledger, filter);
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
  await write(csvLine(REPORT_CSV_COLUMNS));
  for await (const transfer of ledger.list(filter)) await write(csvLine(transferCsv(transfer)));
}

/** Wide enough for what is usual; a longer cell moves its row's others. */
const TABLE = [
  ['project', 20, (row: Transfer) => row.projectName],
  ['mrn', 12, (row: Transfer) => row.mrn],
  ['accession', 16, (row: Transfer) => row.accessionNumber],
  ['outcome', 10, (row: Transfer) => row.outcome],
  ['archive', 9, (row: Transfer) => row.archive],
  ['expected', 8, (row: Transfer) => row.images.expected],
  ['in raw', 6, (row: Transfer) => row.images.alreadyInRaw],
  ['retrieved', 9, (row: Transfer) => row.images.retrieved],
  ['delivered', 9, (row: Transfer) => row.images.delivered],
  ['tries', 5, (row: Transfer) => row.attempts],
  ['seconds', 8, (row: Transfer) => (row.durationMs / 1000).toFixed(1)],
  ['reason', 0, (row: Transfer) => row.reason],
] as const;

async function printAsTable(ledger: Ledger, filter: TransferFilter): Promise<void> {
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(TABLE[column]?.[1] ?? 0))
      .join('  ')
      .trimEnd();
  await write(`${line(TABLE.map(([heading]) => heading))}\n`);
  const counts = new Map<Ending, number>();
  for await (const transfer of ledger.list(filter)) {
    counts.set(transfer.outcome, (counts.get(transfer.outcome) ?? 0) + 1);
    await write(`${line(TABLE.map(([, , cellOf]) => String(cellOf(transfer) ?? '-')))}\n`);
  }
  const totals = ENDINGS.filter((ending) => counts.has(ending)).map(
    (ending) => `${counts.get(ending) ?? 0} ${ending}`,
  );
  printLine(`\n${totals.length === 0 ? 'no messages' : totals.join(', ')}`);
}

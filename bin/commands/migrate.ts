import { Argument, type Command } from 'commander';
import { Closers } from '../../src/core/closers.js';
import {
  migrateDown,
  migrateUp,
  migrationStatus,
  type Database,
  type MigrationResult,
} from '../../src/core/db/index.js';
import type { Logger } from '../../src/core/log.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine } from '../output.js';
import { EMBEDDED_OPTION, backingFor } from '../backing.js';
import { loggerFor } from '../wiring.js';

type Action = 'up' | 'down' | 'status';

interface MigrateOptions {
  readonly json?: boolean;
  readonly embedded?: boolean;
}

export function addMigrateCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('migrate')
    .description("Brings the database's schema up to date, takes it back, or says how it is.")
    .addArgument(
      new Argument('[action]', 'up: run what is pending; down: take all of it back; status: change nothing')
        .choices(['up', 'down', 'status'])
        .default('up'),
    )
    .option(...EMBEDDED_OPTION)
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      "\n`down` drops the ledger with what it holds. PIXL's tables, and the rows of a cohort, always stay." +
        '\n\nExample:\n  $ pixl-imaging migrate status',
    )
    .action(async (action: Action, options: MigrateOptions) => done(await migrate(action, options)));
}

async function migrate(
  action: Action,
  { json = false, embedded = false }: MigrateOptions,
): Promise<ExitCode> {
  const config = embedded ? readConfig() : readConfig('database');
  const closers = new Closers();
  try {
    const log = loggerFor(config);
    const result = await ACTIONS[action](await backingFor(config, embedded, log, closers).database(), log);
    if (json)
      printJson({
        action,
        changed: result.changed,
        applied: result.applied,
        pending: result.pending,
        cohort_tables: result.cohortTables,
      });
    else printResult(action, result);
    return Exit.Done;
  } finally {
    await closers.closeAll();
  }
}

const ACTIONS: Readonly<Record<Action, (database: Database, log: Logger) => Promise<MigrationResult>>> = {
  up: migrateUp,
  down: migrateDown,
  status: async (asked) => ({ ...(await migrationStatus(asked)), changed: [] }),
};

const MAKERS = {
  'pixl-imaging': 'made by pixl-imaging',
  pixl: 'made by PIXL, used as they are',
} as const;

function printResult(action: Action, { changed, applied, pending, cohortTables }: MigrationResult): void {
  for (const step of changed) printLine(`${step}: ${action === 'down' ? 'taken back' : 'done'}`);
  if (action === 'status') for (const step of applied) printLine(`${step}: done`);
  if (action === 'status') for (const step of pending) printLine(`${step}: pending`);
  else if (changed.length === 0) printLine('nothing to do');
  printLine(
    `extract and image: ${cohortTables === null ? 'not there' : MAKERS[cohortTables]}; ${pending.length} steps pending`,
  );
}

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
import { backingFor } from '../backing.js';
import { commandLoggerFor } from '../logging.js';

export type Action = 'up' | 'down' | 'status';

export interface MigrateOptions {
  readonly json?: boolean;
  readonly embedded?: boolean;
}

export async function migrate(
  action: Action,
  { json = false, embedded = false }: MigrateOptions,
): Promise<ExitCode> {
  const config = embedded ? readConfig() : readConfig('database');
  const closers = new Closers();
  try {
    const log = commandLoggerFor(config);
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

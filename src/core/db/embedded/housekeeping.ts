import type { Engine } from './engine.js';
import type { Turns } from './turns.js';

/**
 * What a server's background processes would do. PGlite has none: without this the write-ahead log grows for as long as
 * the process lives, with it the time that a start after a crash takes, and tables that are written and deleted in turn,
 * as a queue is, never give their place back.
 */
const EVERY_MS = 30_000;
const CHECKPOINT_AFTER_BYTES = 16 * 1024 * 1024;
/** Dead rows from which a table is vacuumed; PostgreSQL's autovacuum begins at 50 and a fifth of the live ones. */
const DEAD_ROWS = 1_000;
/** A cursor that outlives its transaction is a reader's that may take its time; this old, its reader is gone. */
const OLD_CURSOR = '6 hours';

/** Keeps house until the returned function is called. */
export function keepHouse(turns: Turns, everyMs = EVERY_MS): () => void {
  let checkpointAt = 0;
  const timer = setInterval(() => {
    void turns.between(async (engine) => {
      checkpointAt = await checkpoint(engine, checkpointAt);
      await vacuum(engine);
      await closeOldCursors(engine);
    });
  }, everyMs);
  return () => clearInterval(timer);
}

/** @returns the write-ahead log's position at the last checkpoint, in bytes */
async function checkpoint(engine: Engine, last: number): Promise<number> {
  const position = async (): Promise<number> => {
    const [row] = await engine.query<{ at: string }>(
      "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text AS at",
    );
    return Number(row?.at ?? 0);
  };
  if ((await position()) - last < CHECKPOINT_AFTER_BYTES) return last;
  await engine.query('CHECKPOINT');
  return position();
}

async function vacuum(engine: Engine): Promise<void> {
  const tables = await engine.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, relname) AS name FROM pg_stat_user_tables
     WHERE n_dead_tup >= ${DEAD_ROWS} + n_live_tup / 5 ORDER BY n_dead_tup DESC LIMIT 1`,
  );
  for (const { name } of tables) await engine.query(`VACUUM (ANALYZE) ${name}`);
}

async function closeOldCursors(engine: Engine): Promise<void> {
  const cursors = await engine.query<{ name: string }>(
    `SELECT quote_ident(name) AS name FROM pg_cursors WHERE is_holdable AND creation_time < now() - interval '${OLD_CURSOR}'`,
  );
  for (const { name } of cursors) await engine.query(`CLOSE ${name}`);
}

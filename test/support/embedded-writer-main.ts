import { writeSync } from 'node:fs';
import { openDatabase, startEmbeddedServer } from '../../src/core/db/index.js';
import { silentLogger } from '../../src/core/log.js';

/**
 * Writes pairs of rows into an embedded database until it is killed; says each pair that is committed, as `round/pair`.
 * Argument: {"folder": …, "round": n}.
 */
const { folder, round } = JSON.parse(process.argv[2] ?? '') as { folder: string; round: number };
const server = await startEmbeddedServer({ folder, log: silentLogger, waitMs: 10_000 });
const database = openDatabase(server.settings, { log: silentLogger });
await database.query(
  'CREATE TABLE IF NOT EXISTS pair (round integer, pair integer, half integer, filler text)',
);
writeSync(1, 'open\n');
const writer = async (lane: number): Promise<void> => {
  for (let n = lane; ; n += 3) {
    await database.transaction(async (queries) => {
      for (const half of [1, 2])
        await queries.query("INSERT INTO pair VALUES ($1, $2, $3, repeat('x', 2000))", [round, n, half]);
    });
    writeSync(1, `${round}/${n}\n`);
    if (n % 50 === 0) await database.query('CHECKPOINT');
  }
};
await Promise.all([0, 1, 2].map(writer));

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setInterval } from 'node:timers';
import { brokerEnv } from '../../test/support/cli.js';
import { residentMemory } from '../../test/support/daemon.js';
import { projectRoot } from '../../test/support/fixtures.js';
import { databaseEnv, sharedPostgres } from '../../test/support/postgres.js';
import { sharedRabbitmq } from '../../test/support/rabbitmq.js';
import { withTempDir } from '../../test/support/temp-dir.js';
import { publish, table, type Result } from '../measure.js';

const ROWS = 1_000_000;

/** Populates a cohort of 1,000,000 rows into a real RabbitMQ and PostgreSQL, once: it takes minutes. */
export async function populatePart(name: string): Promise<void> {
  await withTempDir(async (folder) => {
    const path = join(folder, 'cohort.csv');
    await writeCohort(path);
    const postgres = await sharedPostgres();
    const env = {
      ...databaseEnv(await postgres.createDatabase()),
      ...brokerEnv(await sharedRabbitmq()),
      PIXL_PRIMARY_QUEUE: 'bench-populate',
    };
    const results = [await populate([path, '--no-start'], env)];
    publish(name, results, table(results));
  }, 'bench');
}

async function writeCohort(path: string): Promise<void> {
  const file = createWriteStream(path);
  file.write(
    'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id\n',
  );
  for (let row = 0; row < ROWS; row += 1) {
    const date = new Date(Date.UTC(2010, 0, 1 + (row % 4000))).toISOString().slice(0, 10);
    const line = `${row},M${row % 250_000},AA${row},Bench,2023-12-07T14:08:58,${date},1.2.826.0.1.3680043.9.7156.1.${row}.1710754859,p\n`;
    if (!file.write(line)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

/** @throws when the command fails */
async function populate(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Result> {
  const startedAt = performance.now();
  const program = join(projectRoot, 'dist', 'bin', 'pixl-imaging.js');
  const child = spawn(process.execPath, [program, 'populate', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  let peak = 0;
  const watch = setInterval(() => {
    try {
      peak = Math.max(peak, residentMemory(child.pid ?? 0).peak);
    } catch {
      // It has ended, and its exit is about to be told.
    }
  }, 100);
  const [code] = (await once(child, 'exit')) as [number | null];
  process.off('exit', kill);
  clearInterval(watch);
  if (code !== 0) throw new Error(`populate ended with ${code ?? 'a signal'}`);
  const ms = Math.round(performance.now() - startedAt);
  const job = 'populate 1,000,000 rows';
  return {
    job,
    side: 'pixl-imaging',
    rounds: [ms],
    medianMs: ms,
    ratioToFirst: 1,
    peakMiB: Math.round(peak),
  };
}

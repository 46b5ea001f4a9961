/**
 * Populates a cohort of 1,000,000 rows into a real RabbitMQ and PostgreSQL and says how long it took and how much memory
 * the command held at most.
 *
 *   node dist/bench/populate.js [rows]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setInterval } from 'node:timers';
import { brokerEnv } from '../test/support/cli.js';
import { projectRoot } from '../test/support/fixtures.js';
import { closeLongLived } from '../test/support/long-lived.js';
import { databaseEnv, sharedPostgres } from '../test/support/postgres.js';
import { sharedRabbitmq } from '../test/support/rabbitmq.js';
import { withTempDir } from '../test/support/temp-dir.js';

const rows = Number(process.argv[2] ?? '1000000');

async function writeCohort(path: string): Promise<void> {
  const file = createWriteStream(path);
  file.write(
    'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id\n',
  );
  for (let row = 0; row < rows; row += 1) {
    const date = new Date(Date.UTC(2010, 0, 1 + (row % 4000))).toISOString().slice(0, 10);
    const line = `${row},M${row % 250_000},AA${row},Bench,2023-12-07T14:08:58,${date},1.2.826.0.1.3680043.9.7156.1.${row}.1710754859,p\n`;
    if (!file.write(line)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

/** The most memory that the process held so far, in MiB. */
function peakMiB(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid ?? 0}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

async function populate(args: readonly string[], env: Record<string, string>): Promise<void> {
  const startedAt = performance.now();
  const program = join(projectRoot, 'dist', 'bin', 'pixl-imaging.js');
  const child = spawn(process.execPath, [program, 'populate', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, peakMiB(child.pid))), 100);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(watch);
  const seconds = (performance.now() - startedAt) / 1000;
  process.stdout.write(
    `populate ${args.slice(1).join(' ')}: exit ${code ?? -1}, ${rows} rows in ${seconds.toFixed(1)} s, ` +
      `${Math.round(rows / seconds)} rows/s, peak ${peak.toFixed(0)} MiB\n`,
  );
}

await withTempDir(async (folder) => {
  const path = join(folder, 'cohort.csv');
  await writeCohort(path);
  const postgres = await sharedPostgres();
  const env = {
    ...databaseEnv(await postgres.createDatabase()),
    ...brokerEnv(await sharedRabbitmq()),
    PIXL_PRIMARY_QUEUE: 'bench-populate',
  };
  await populate([path, '--dry-run'], env);
  await populate([path, '--no-start'], env);
}, 'bench');
await closeLongLived();

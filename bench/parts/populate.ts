/**
 * Populates cohorts of 1,000,000 rows, an OMOP extract and a CSV that DuckDB writes, into a real RabbitMQ and PostgreSQL:
 * how long it takes, and how much memory the command holds at most. The second time it is killed half way and started
 * again, and the queue is read to its end: which messages are there twice, which are missing. Then cohorts of 2,000 and
 * 100,000 rows into tables that hold 300,000 studies of another extract, PIXL's own and ours in turn.
 *
 *   npm run bench -- populate [rows]
 *   npm run bench -- populate tables         the last alone; it changes no file of results
 */
import { connect, type Channel, type ConsumeMessage } from 'amqplib';
import { DuckDBInstance } from '@duckdb/node-api';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { residentMemory } from '../../test/support/daemon.js';
import { brokerEnv, startCli } from '../../test/support/cli.js';
import { closeLongLived } from '../../test/support/long-lived.js';
import { databaseEnv, sharedPostgres } from '../../test/support/postgres.js';
import { sharedRabbitmq, type Rabbitmq } from '../../test/support/rabbitmq.js';
import { withTempDir } from '../../test/support/temp-dir.js';
import { publish } from '../measure.js';
import { grownDatabase, TABLES, TABLES_JOB } from '../populate-tables.js';

const QUEUE = 'bench-populate';
const HOUR_MS = 3_600_000;
/** What `populate` sends before it notes its place: a kill may send so many twice. */
const BATCH = 1_000;

/** The median of so many. */
const TABLE_ROUNDS = 3;

interface PopulateResult {
  readonly cohort: string;
  readonly job: string;
  readonly rows: number;
  readonly seconds: number;
  readonly peakMiB: number;
  /** What was in the queue afterwards; null = nothing was to be published. */
  readonly queue: QueueContent | null;
}

interface QueueContent {
  readonly messages: number;
  readonly twice: number;
  readonly missing: number;
}

interface Run {
  readonly seconds: number;
  readonly peakMiB: number;
}

/** Those of a cohort as CSV. */
const COLUMNS =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';

/** One MRN for each four studies, as in a hospital; UIDs of a usual length. */
async function writeCohorts(folder: string, rows: number): Promise<{ readonly [name: string]: string }> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  const copy = (sql: string, path: string, options: string): Promise<unknown> =>
    connection.run(`COPY (${sql}) TO '${path}' (${options})`);
  const parquet = `FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rows}`;
  try {
    const from = `FROM range(${rows}) t(i)`;
    const uid = "'1.2.826.0.1.3680043.9.7156.1.' || i || '.1710754859'";
    const day = "DATE '2010-01-01' + (i % 4000)::INTEGER";
    const omop = join(folder, 'omop');
    for (const part of ['private', 'public/omop']) mkdirSync(join(omop, part), { recursive: true });
    writeFileSync(
      join(omop, 'extract_summary.json'),
      JSON.stringify({ settings: { cdm_source_name: 'Bench OMOP' }, datetime: '2023-12-07 14:08:58' }),
    );
    const people = `SELECT i AS person_id, 'M' || i AS PrimaryMrn FROM range(${Math.ceil(rows / 4)}) t(i)`;
    const links = `SELECT i AS procedure_occurrence_id, 'AA' || i AS AccessionNumber, ${uid} AS StudyUid_X ${from}`;
    const procedures = `SELECT i AS procedure_occurrence_id, i // 4 AS person_id, ${day} AS procedure_date ${from}`;
    await copy(people, join(omop, 'private/PERSON_LINKS.parquet'), parquet);
    await copy(links, join(omop, 'private/PROCEDURE_OCCURRENCE_LINKS.parquet'), parquet);
    await copy(procedures, join(omop, 'public/omop/PROCEDURE_OCCURRENCE.parquet'), parquet);
    const columns = COLUMNS.split(',');
    const values = [
      'i',
      "'M' || i // 4",
      "'AA' || i",
      "'Bench CSV'",
      "'2023-12-07T14:08:58'",
      day,
      uid,
      "'P' || i // 4",
    ];
    const cells = values.map((value, index) => `${value} AS ${columns[index] ?? ''}`).join(', ');
    await copy(`SELECT ${cells} ${from}`, join(folder, 'cohort.csv'), 'FORMAT csv, HEADER');
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return { 'OMOP, one row group': join(folder, 'omop'), CSV: join(folder, 'cohort.csv') };
}

/** Runs the command to its end, or to the moment when `until` says that it is to be killed. */
async function populate(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  until: () => Promise<boolean> = () => Promise.resolve(false),
): Promise<Run> {
  const running = startCli(['populate', ...args], { env, timeoutMs: HOUR_MS });
  let [peakMiB, isOver, wasKilled] = [0, false, false];
  const watch = (async (): Promise<void> => {
    while (!isOver) {
      peakMiB = Math.max(peakMiB, memoryOf(running.pid));
      if (!wasKilled && (await until())) {
        wasKilled = true;
        running.kill('SIGKILL');
      }
      await delay(100);
    }
  })();
  const { code, ms, stderr } = await running.ended;
  isOver = true;
  await watch;
  if (code !== 0 && !wasKilled) throw new Error(`populate ended with ${code ?? 'a signal'}: ${stderr}`);
  return { seconds: Math.round(ms / 100) / 10, peakMiB: Math.round(peakMiB) };
}

/** The most that it has held; nothing any more when it has just ended. */
function memoryOf(pid: number | undefined): number {
  try {
    return pid === undefined ? 0 : residentMemory(pid).peak;
  } catch {
    return 0;
  }
}

async function onChannel<T>(
  { host, port, username, password }: Rabbitmq,
  work: (channel: Channel) => Promise<T>,
): Promise<T> {
  const model = await connect(`amqp://${username}:${password}@${host}:${port}`);
  try {
    return await work(await model.createChannel());
  } finally {
    await model.close();
  }
}

const depth = (rabbitmq: Rabbitmq): Promise<number> =>
  onChannel(rabbitmq, async (channel) => {
    const options = { durable: true, arguments: { 'x-max-priority': 5 } };
    return (await channel.assertQueue(QUEUE, options)).messageCount;
  });

/** Reads the queue to its end. Messages are told apart by what they are, their accession numbers counted from 0. */
function readQueue(rabbitmq: Rabbitmq, rows: number): Promise<QueueContent> {
  return onChannel(rabbitmq, async (channel) => {
    const { messageCount: messages } = await channel.checkQueue(QUEUE);
    const times = new Uint8Array(rows);
    await channel.prefetch(2_000);
    await new Promise<void>((resolve, reject) => {
      let left = messages;
      if (left === 0) resolve();
      const take = (message: ConsumeMessage | null): void => {
        if (message === null) {
          reject(new Error('the consumer was cancelled'));
          return;
        }
        const { accession_number } = JSON.parse(message.content.toString()) as { accession_number: string };
        const row = Number(accession_number.slice(2));
        times[row] = (times[row] ?? 0) + 1;
        left -= 1;
        if (left % 1_000 === 0 || left === 0) channel.ack(message, true);
        if (left === 0) resolve();
      };
      channel.consume(QUEUE, take).catch(reject);
    });
    await channel.deleteQueue(QUEUE);
    return {
      messages,
      twice: times.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
      missing: times.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0),
    };
  });
}

function markdown(results: readonly PopulateResult[]): string {
  return [
    `After a kill one batch of ${BATCH} may be sent twice. RabbitMQ, PostgreSQL and the command share the machine.`,
    '',
    '| cohort | job | rows | seconds | rows/s | peak MiB | messages in the queue | twice | missing |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...results.map(
      ({ cohort, job, rows, seconds, peakMiB, queue }) =>
        `| ${cohort} | ${job} | ${rows} | ${seconds.toFixed(1)} | ${Math.round(rows / seconds)} | ${peakMiB} | ${queue?.messages ?? '–'} | ${queue?.twice ?? '–'} | ${queue?.missing ?? '–'} |`,
    ),
  ].join('\n');
}

function keeper(): { readonly results: PopulateResult[]; readonly keep: (result: PopulateResult) => void } {
  const results: PopulateResult[] = [];
  return {
    results,
    keep: (result) => {
      results.push(result);
      process.stderr.write(`${JSON.stringify(result)}\n`);
    },
  };
}

/** In turn, so that the machine's other work meets both; of each the median. */
async function benchTables(): Promise<PopulateResult[]> {
  const { results, keep } = keeper();
  const postgres = await sharedPostgres();
  const rabbitmq = await sharedRabbitmq();
  await withTempDir(async (folder) => {
    for (const rows of [2_000, 100_000]) {
      const { CSV: path = '' } = await writeCohorts(folder, rows);
      const runs = new Map<string, Run[]>(TABLES.map((whose) => [whose, []]));
      for (let round = 0; round < TABLE_ROUNDS; round += 1)
        for (const whose of TABLES) {
          const env = {
            ...databaseEnv(await grownDatabase(postgres, whose)),
            ...brokerEnv(rabbitmq),
            PIXL_PRIMARY_QUEUE: QUEUE,
          };
          runs.get(whose)?.push(await populate([path, '--no-start'], env));
          await onChannel(rabbitmq, (channel) => channel.deleteQueue(QUEUE));
        }
      for (const [whose, ended] of runs) {
        const [median] = ended.toSorted((a, b) => a.seconds - b.seconds).slice(TABLE_ROUNDS >> 1);
        if (median !== undefined)
          keep({ cohort: 'CSV', job: `${TABLES_JOB}, ${whose}`, rows, ...median, queue: null });
      }
    }
  }, 'bench');
  return results;
}

async function bench(rows: number): Promise<PopulateResult[]> {
  const { results, keep } = keeper();
  const postgres = await sharedPostgres();
  const rabbitmq = await sharedRabbitmq();
  await withTempDir(async (folder) => {
    for (const [cohort, path] of Object.entries(await writeCohorts(folder, rows))) {
      const freshEnv = async (): Promise<Record<string, string>> => ({
        ...databaseEnv(await postgres.createDatabase()),
        ...brokerEnv(rabbitmq),
        PIXL_PRIMARY_QUEUE: QUEUE,
      });
      keep({ cohort, job: 'read', rows, ...(await populate([path, '--dry-run'], {})), queue: null });
      const whole = await populate([path, '--no-start'], await freshEnv());
      keep({ cohort, job: 'populate', rows, ...whole, queue: await readQueue(rabbitmq, rows) });
      const env = await freshEnv();
      const first = await populate([path, '--no-start'], env, async () => (await depth(rabbitmq)) > rows / 2);
      const second = await populate([path, '--no-start'], env);
      keep({
        ...{ cohort, job: 'killed half way, started again', rows },
        seconds: first.seconds + second.seconds,
        peakMiB: Math.max(first.peakMiB, second.peakMiB),
        queue: await readQueue(rabbitmq, rows),
      });
    }
  }, 'bench');
  return results;
}

async function main(what = '1000000'): Promise<void> {
  const rows = Number(what);
  if (what !== 'tables' && (!Number.isSafeInteger(rows) || rows < 1)) {
    process.stderr.write('the number of rows is a whole number above 0; or: tables\n');
    process.exitCode = 2;
    return;
  }
  try {
    if (what === 'tables') process.stdout.write(`${markdown(await benchTables())}\n`);
    else {
      const results = [...(await bench(rows)), ...(await benchTables())];
      publish('populate', results, markdown(results));
    }
  } finally {
    await closeLongLived();
  }
}

await main(process.argv[2]);

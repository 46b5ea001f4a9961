import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { forgetPeakMemory, residentMemory } from '../test/support/daemon.js';
import { projectRoot } from '../test/support/fixtures.js';

/** One way of doing a job. */
export interface Side {
  readonly name: string;
  /** Puts everything back to the state before; not timed. */
  readonly prepare?: () => Promise<void>;
  readonly run: () => Promise<void>;
  /** Throws when the job was not done whole; not timed. */
  readonly check?: () => Promise<void>;
  /** The process of ours that does it: its memory and its processor time are measured, too. */
  readonly process?: () => Promise<number>;
  /** At most so many rounds, for what takes minutes: the last ones, so that the others have theirs when the part is broken off. */
  readonly rounds?: number;
}

export interface Result {
  readonly job: string;
  readonly side: string;
  /** Milliseconds, in the order of the rounds. */
  readonly rounds: readonly number[];
  readonly medianMs: number;
  /** This one's median over the first side's: how many times as fast the first is. */
  readonly ratioToFirst: number;
  /** What the process held at most over all rounds, and that less what it held before the first, in MiB. */
  readonly peakMiB?: number;
  readonly peakAboveIdleMiB?: number;
  /** Processor time of the process, median, in seconds. */
  readonly cpuSeconds?: number;
  readonly cpuSecondsPerGb?: number;
}

/** What is measured of one side, round by round. */
class Record {
  readonly times: number[] = [];
  readonly cpu: number[] = [];
  idleMiB: number | null = null;
  peakMiB = 0;
}

export interface Job {
  readonly name: string;
  /** What is moved, for processor time by the gigabyte (10⁹ bytes). */
  readonly bytes?: number;
  /** The side that the others are compared with comes first. */
  readonly sides: readonly Side[];
  /** Rounds before the first that is counted: a daemon that has run for a minute has its code compiled. */
  readonly warmUps?: number;
}

/**
 * Runs the sides in turn, A B A B …, so that what else the machine does falls on all of them.
 *
 * @param onRound told what is known after each run
 */
export async function measure(
  job: Job,
  rounds: number,
  onRound: (results: readonly Result[]) => void,
): Promise<Result[]> {
  const records = new Map<Side, Record>(job.sides.map((side) => [side, new Record()]));
  for (let round = 0; round < (job.warmUps ?? 0); round += 1)
    for (const side of job.sides) if (side.rounds === undefined) await side.run(); // a side of fewer rounds takes minutes
  for (let round = 1; round <= rounds; round += 1)
    for (const [side, record] of records) {
      if (rounds - round >= (side.rounds ?? rounds)) continue;
      await side.prepare?.();
      const ms = await timed(side, record);
      await side.check?.();
      process.stderr.write(`${job.name}, round ${round}: ${side.name} ${Math.round(ms)} ms\n`);
      onRound(resultsOf(job, records));
    }
  return resultsOf(job, records);
}

async function timed(side: Side, record: Record): Promise<number> {
  const pid = await side.process?.();
  if (pid !== undefined) {
    record.idleMiB ??= residentMemory(pid).now;
    forgetPeakMemory(pid);
  }
  const cpuBefore = pid === undefined ? 0 : cpuSeconds(pid);
  const startedAt = performance.now();
  await side.run();
  const ms = performance.now() - startedAt;
  record.times.push(Math.round(ms));
  if (pid !== undefined) {
    record.cpu.push(cpuSeconds(pid) - cpuBefore);
    record.peakMiB = Math.max(record.peakMiB, residentMemory(pid).peak);
  }
  return ms;
}

let ticksPerSecond: number | undefined;

/** Of a process since its start, user and system (proc(5), stat). */
export function cpuSeconds(pid: number): number {
  const { own } = processorTime(pid);
  return own;
}

/** The same with its children, those that have ended included: dcmqrscp has one for each association. */
export function cpuSecondsOfAll(pid: number): number {
  const { own, ofEnded } = processorTime(pid);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
  const alive = children.filter((child) => existsSync(`/proc/${child}/stat`));
  return alive.reduce((sum, child) => sum + cpuSeconds(Number(child)), own + ofEnded);
}

function processorTime(pid: number): { readonly own: number; readonly ofEnded: number } {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
  return { own: (user + system) / ticksPerSecond, ofEnded: (endedUser + endedSystem) / ticksPerSecond };
}

function resultsOf({ name, bytes }: Job, records: ReadonlyMap<Side, Record>): Result[] {
  const first = median([...records.values()][0]?.times ?? []);
  return [...records].map(([side, record]) => {
    const medianMs = median(record.times);
    const cpu = median(record.cpu);
    return {
      job: name,
      side: side.name,
      rounds: record.times,
      medianMs,
      ratioToFirst: rounded(medianMs / first),
      ...(record.idleMiB === null
        ? {}
        : {
            peakMiB: Math.round(record.peakMiB),
            peakAboveIdleMiB: Math.round(record.peakMiB - record.idleMiB),
            cpuSeconds: rounded(cpu),
            ...(bytes === undefined ? {} : { cpuSecondsPerGb: rounded((cpu * 1e9) / bytes) }),
          }),
    };
  });
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** The results as a Markdown table. */
export function table(results: readonly Result[]): string {
  const cell = (value: number | undefined): string => (value === undefined ? '' : `${value}`);
  return [
    '| job | side | median ms | times the first | rounds, ms | peak MiB | above idle | CPU s | CPU s/GB |',
    '| --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |',
    ...results
      .filter(({ rounds }) => rounds.length > 0)
      .map(
        ({ job, side, medianMs, ratioToFirst, rounds, ...process }) =>
          `| ${job} | ${side} | ${medianMs} | ${ratioToFirst.toFixed(2)} | ${rounds.join(', ')} | ` +
          `${cell(process.peakMiB)} | ${cell(process.peakAboveIdleMiB)} | ${cell(process.cpuSeconds)} | ${cell(process.cpuSecondsPerGb)} |`,
      ),
  ].join('\n');
}

/** Where results are. */
export const RESULTS = join(projectRoot, 'bench', 'results');

const load = loadavg()[0] ?? 0;

/** Writes bench/results/<name>.json and .md. */
export function publish(name: string, results: unknown, markdown: string): void {
  const processors = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`;
  const machine = `Node ${process.version}, ${processors}, ${Math.round(totalmem() / 2 ** 30)} GiB, load at the start ${load.toFixed(1)}`;
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify({ machine, load, results }, null, 2)}\n`);
  writeFileSync(join(RESULTS, `${name}.md`), `# ${name}\n\n${machine}\n\n${markdown}\n`);
}

/** The results that bench/results/<name>.json holds. */
function published(name: string): Result[] {
  const file = join(RESULTS, `${name}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { results: Result[] }).results : [];
}

/** Measures jobs one after the other; the results are written after each run, so that a run that is broken off left some. */
export class Report {
  readonly #name: string;
  readonly #rounds: number;
  readonly #only: string;
  #done: Result[] = [];

  /**
   * @param name of the files in bench/results
   * @param only jobs with this in their names are measured; of the others the results that there are stay
   */
  constructor(name: string, rounds: number, only = '') {
    this.#name = name;
    this.#rounds = rounds;
    this.#only = only;
    if (only !== '') this.#done = published(name).filter(({ job }) => !this.wants(job));
  }

  /** Whether a job of that name is to be measured: what it needs is made only then. */
  wants(job: string): boolean {
    return job.includes(this.#only);
  }

  /** @param rounds of this job, where they are fewer than of the others */
  async measure(job: Job, rounds = this.#rounds): Promise<void> {
    if (!this.wants(job.name)) return;
    const results = await measure(job, Math.min(rounds, this.#rounds), (so) => this.#write(so));
    this.#done = [...this.#done, ...results];
  }

  #write(more: readonly Result[]): void {
    const results = [...this.#done, ...more];
    publish(this.#name, results, table(results));
  }
}

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../test/support/fixtures.js';

/** One way of doing a job. */
export interface Side {
  readonly name: string;
  /** Puts everything back to the state before; not timed. */
  readonly prepare: () => Promise<void>;
  readonly run: () => Promise<void>;
  /** Throws when the job was not done whole; not timed. */
  readonly check: () => Promise<void>;
}

export interface Result {
  readonly job: string;
  readonly side: string;
  /** Milliseconds, in the order of the rounds. */
  readonly rounds: readonly number[];
  readonly medianMs: number;
  /** The first side's median over this one's: how many times as fast the first is as 1 over this. */
  readonly ratioToFirst: number;
}

/** Runs the sides in turn, A B A B …, so that what else the machine does falls on all of them. */
export async function measure(job: string, sides: readonly Side[], rounds: number): Promise<Result[]> {
  const times = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round += 1)
    for (const side of sides) {
      await side.prepare();
      const startedAt = performance.now();
      await side.run();
      const ms = performance.now() - startedAt;
      await side.check();
      times.get(side.name)?.push(Math.round(ms));
      process.stderr.write(`${job}, round ${round} of ${rounds}: ${side.name} ${Math.round(ms)} ms\n`);
    }
  const first = median(times.get(sides[0]?.name ?? '') ?? []);
  return sides.map(({ name }) => {
    const taken = times.get(name) ?? [];
    const medianMs = median(taken);
    return {
      job,
      side: name,
      rounds: taken,
      medianMs,
      ratioToFirst: Math.round((medianMs / first) * 100) / 100,
    };
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** The results as a Markdown table. */
export function table(results: readonly Result[]): string {
  return [
    '| job | side | median ms | times the first | rounds, ms |',
    '| --- | --- | ---: | ---: | --- |',
    ...results.map(
      ({ job, side, medianMs, ratioToFirst, rounds }) =>
        `| ${job} | ${side} | ${medianMs} | ${ratioToFirst.toFixed(2)} | ${rounds.join(', ')} |`,
    ),
  ].join('\n');
}

/** Writes bench/results/<name>.json and .md, and prints the table. */
export function report(name: string, results: readonly Result[]): void {
  publish(name, results, table(results));
}

/** The same for results of any kind, with their Markdown. */
export function publish(name: string, results: unknown, markdown: string): void {
  const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const folder = join(projectRoot, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ machine, results }, null, 2)}\n`);
  writeFileSync(join(folder, `${name}.md`), `# ${name}\n\n${machine}\n\n${markdown}\n`);
  process.stdout.write(`${machine}\n\n${markdown}\n`);
}

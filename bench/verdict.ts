import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publish, RESULTS, type Result } from './measure.js';
import { TABLES, TABLES_JOB } from './populate-tables.js';

/** What is promised, and how the results of a part show it. */
interface Target {
  readonly target: string;
  readonly part: string;
  readonly measured: (of: Results, all: readonly Line[]) => Finding;
}

interface Finding {
  readonly value: string;
  readonly holds: boolean;
}

type Results = (job: string, side: string) => Result;
/** A line of a part's results; the populating of a cohort has lines of its own kind, with a number of rows. */
type Line = Partial<Result> & { readonly rows?: number; readonly seconds?: number };

const OURS = 'pixl-imaging';
const JOB = "Orthanc's store job";
const SCRIPT = 'getscu, then storescu';
const COPY = 'plain TCP copy of the bytes';
const TOOLS = 'findscu, movescu, getscu, storescu';

/** `other` takes at least so many times as long as ours. */
function fasterThan(job: string, other: string, times: number): Target['measured'] {
  return (of) => {
    const ratio = of(job, other).medianMs / of(job, OURS).medianMs;
    return { value: `${ratio.toFixed(2)} ×`, holds: ratio >= times };
  };
}

/** Ours takes at most so many times as long as `other`. */
function atMost(job: string, other: string, times: number, ours = OURS): Target['measured'] {
  return (of) => {
    const ratio = of(job, ours).medianMs / of(job, other).medianMs;
    return { value: `${ratio.toFixed(2)} ×`, holds: ratio <= times };
  };
}

const STOCK = 'Orthancs as they come';
const medium = `raw to anon, 200 × 0.5 MB, ${STOCK}`;
const message = (images: number): string => `message to delivered, ${images} images`;

const NODE = 'pixl-imaging node';
const STOCK_STORE = 'dcmqrscp';
const FAST_STORE = 'dcmqrscp, TCP_NODELAY=1';
export const DISK = 'the files alone, written and synced';

function nodeServes(job: string): Target[] {
  return [STOCK_STORE, FAST_STORE].map((other) => ({
    target: `${job}: the embedded node at most 1 × the time of ${other}`,
    part: 'node',
    measured: atMost(job, other, 1, NODE),
  }));
}

/** dcmqrscp answers before an instance is safe: what its syncing would take is on top of its time, but for Nagle's waits. */
function nodeStores(job: string): Target[] {
  const fast: Target['measured'] = (of) => {
    const time = (side: string): number => of(job, side).medianMs;
    const ratio = time(NODE) / (time(FAST_STORE) + time(DISK));
    return { value: `${ratio.toFixed(2)} ×`, holds: ratio <= 1 };
  };
  return [
    {
      target: `${job}: the embedded node at most 1 × the time of ${STOCK_STORE}`,
      part: 'node',
      measured: atMost(job, STOCK_STORE, 1, NODE),
    },
    {
      target: `${job}: the embedded node at most 1 × the time of ${FAST_STORE}, and of the syncing that it leaves out`,
      part: 'node',
      measured: fast,
    },
  ];
}

const LOADS = ['200 × 0.5 MB', '2,000 × 32 KB'];

const TARGETS: readonly Target[] = [
  {
    target: `${medium}: at least 8 × as fast as Orthanc's own store job`,
    part: 'delivery',
    measured: fasterThan(medium, JOB, 8),
  },
  {
    target: `${medium}: at least 15 × as fast as getscu and storescu`,
    part: 'delivery',
    measured: fasterThan(medium, SCRIPT, 15),
  },
  {
    target: "the same with TCP_NODELAY=1: not slower than Orthanc's own store job",
    part: 'delivery-nodelay',
    measured: atMost('raw to anon, 200 × 0.5 MB, Orthancs with TCP_NODELAY=1', JOB, 1),
  },
  {
    target: 'the relay alone, 200 × 0.5 MB: at most 1.5 × the time of a plain TCP copy',
    part: 'relay',
    measured: atMost('relay, 200 × 0.5 MB', COPY, 1.5),
  },
  {
    target: 'the relay alone, 1 × 300 MB: at most 1.25 × the time of a plain TCP copy',
    part: 'relay',
    measured: atMost('relay, 1 × 300 MB', COPY, 1.25),
  },
  {
    target: `2,000 × 32 KB, ${STOCK}: at least 5 × as fast as Orthanc's own store job`,
    part: 'delivery-small',
    measured: fasterThan(`raw to anon, 2,000 × 32 KB, ${STOCK}`, JOB, 5),
  },
  {
    target: '1 GiB in one instance: less than 64 MiB of peak resident memory above the idle daemon',
    part: 'memory',
    measured: (of) => {
      const { peakAboveIdleMiB = Infinity } = of('message to delivered, 1 × 1 GiB', OURS);
      return { value: `${peakAboveIdleMiB} MiB`, holds: peakAboveIdleMiB < 64 };
    },
  },
  {
    target: 'message to delivered, 5 images: at least 15 × as fast as the poll-driven REST path',
    part: 'journey',
    measured: fasterThan(message(5), 'poll-driven REST', 15),
  },
  {
    target: 'message to delivered, 200 images: at least 4 × as fast as the poll-driven REST path',
    part: 'journey',
    measured: fasterThan(message(200), 'poll-driven REST', 4),
  },
  ...[5, 100, 200].map((images) => ({
    target: `message to delivered, ${images} images: never slower than a script of ${TOOLS}`,
    part: 'journey',
    measured: atMost(message(images), TOOLS, 1),
  })),
  {
    target: '1,000,000 rows populated in less than 512 MiB of peak resident memory',
    part: 'populate',
    measured: (_of, all) => {
      const peaks = all.filter(({ rows }) => rows === 1_000_000).map(({ peakMiB = Infinity }) => peakMiB);
      const peakMiB = peaks.length === 0 ? Infinity : Math.max(...peaks);
      return { value: `${peakMiB.toFixed(0)} MiB`, holds: peakMiB < 512 };
    },
  },
  ...[2_000, 100_000].map((rows) => ({
    target: `${rows.toLocaleString('en')} rows into PIXL's tables with 300,000 of another extract: at most 1.25 × the time of ours`,
    part: 'populate',
    measured: (_of: Results, all: readonly Line[]): Finding => {
      const [ours = NaN, pixls = NaN] = TABLES.map(
        (whose) => all.find((one) => one.rows === rows && one.job === `${TABLES_JOB}, ${whose}`)?.seconds,
      );
      const ratio = pixls / ours;
      return { value: `${ratio.toFixed(2)} ×`, holds: ratio <= 1.25 };
    },
  })),
  ...LOADS.flatMap((load) => nodeStores(`C-STORE, ${load}`)),
  ...LOADS.flatMap((load) => nodeServes(`C-GET, ${load}`)),
];

/** Writes bench/results/targets.{json,md}: what is promised beside what was measured. */
export function verdict(): void {
  const rows = TARGETS.map(({ target, part, measured }) => ({ target, part, ...found(part, measured) }));
  const markdown = [
    '| target | measured | |',
    '| --- | ---: | --- |',
    ...rows.map(
      ({ target, part, value, verdict: says }) => `| ${target} | [${value}](${part}.md) | ${says} |`,
    ),
  ].join('\n');
  publish('targets', rows, markdown);
  process.stdout.write(`${markdown}\n`);
}

function found(part: string, measured: Target['measured']): { value: string; verdict: string } {
  try {
    const all = linesOf(part);
    const { value, holds } = measured(resultsIn(all), all);
    if (/NaN|Infinity/.test(value)) throw new Error('no figures');
    return { value, verdict: holds ? 'holds' : 'does **not** hold' };
  } catch {
    return { value: '–', verdict: 'not measured' };
  }
}

function linesOf(part: string): Line[] {
  const file = join(RESULTS, `${part}.json`);
  if (!existsSync(file)) return [];
  return (JSON.parse(readFileSync(file, 'utf8')) as { results: Line[] }).results;
}

function resultsIn(lines: readonly Line[]): Results {
  return (job, side) => {
    const result = lines.find((one) => one.job === job && one.side === side);
    if (result === undefined) throw new Error(`no result of ${side} in ${job}`);
    return result as Result;
  };
}

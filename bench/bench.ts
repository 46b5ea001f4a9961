/**
 * Measures ours beside the peers, in the same run and in turn, on real peers that it starts itself:
 *
 *   npm run bench                            all parts, each in a process of its own and for so long at most
 *   npm run bench -- <part> [rounds [job]]   one of them, or of its jobs those with this in their names; `list` names them
 *   npm run bench -- verdict                 the targets beside what bench/results holds
 *   npm run bench -- rate [seconds [parts]]  the image rate, see parts/rate.ts
 *   npm run bench -- node-store [instances]  the embedded node with a large store, see parts/node-store.ts
 *   npm run bench -- populate [rows|tables]  the populating of a cohort, see parts/populate.ts
 *
 * Results are written to bench/results/<part>.{json,md} after each run of a side.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeLongLived } from '../test/support/long-lived.js';
import { Report, RESULTS } from './measure.js';
import { dcmtkPart, deliveryPart, LARGE, MEDIUM, SMALL } from './parts/delivery.js';
import { findPart } from './parts/find.js';
import { journeyPart, memoryPart, movesPart } from './parts/journey.js';
import { nodePart } from './parts/node.js';
import { relayPart } from './parts/relay.js';
import { studyRatePart } from './parts/study-rate.js';
import { AS_THEY_COME, WITHOUT_NAGLE } from './tools.js';
import { verdict } from './verdict.js';

interface Part {
  readonly about: string;
  readonly rounds: number;
  /** It is killed after that. */
  readonly minutes: number;
  readonly run: (report: Report, rounds: number) => Promise<void>;
}

const PARTS: Readonly<Record<string, Part>> = {
  relay: {
    about: 'the relay alone, beside a plain TCP copy',
    rounds: 9,
    minutes: 5,
    run: relayPart,
  },
  delivery: {
    about: 'raw to anon, 200 × 0.5 MB, Orthancs as they come',
    rounds: 5,
    minutes: 10,
    run: (report) => deliveryPart(report, MEDIUM, AS_THEY_COME),
  },
  'delivery-nodelay': {
    about: 'the same with TCP_NODELAY=1',
    rounds: 5,
    minutes: 6,
    run: (report) => deliveryPart(report, MEDIUM, WITHOUT_NAGLE),
  },
  'delivery-large': {
    about: 'raw to anon, 1 × 1 GiB, Orthancs as they come',
    rounds: 3,
    minutes: 10,
    run: (report) => deliveryPart(report, LARGE, AS_THEY_COME),
  },
  'delivery-large-nodelay': {
    about: 'the same with TCP_NODELAY=1',
    rounds: 3,
    minutes: 10,
    run: (report) => deliveryPart(report, LARGE, WITHOUT_NAGLE),
  },
  'delivery-small-nodelay': {
    about: 'raw to anon, 2,000 × 32 KB, with TCP_NODELAY=1',
    rounds: 3,
    minutes: 10,
    run: (report) => deliveryPart(report, SMALL, WITHOUT_NAGLE),
  },
  memory: {
    about: 'what the daemon holds while 1 GiB passes',
    rounds: 3,
    minutes: 8,
    run: memoryPart,
  },
  journey: {
    about: 'message to delivered, 5, 100 and 200 images',
    rounds: 5,
    minutes: 15,
    run: journeyPart,
  },
  'study-rate': {
    about: 'a study of 400 images at 30/s over four associations',
    rounds: 3,
    minutes: 5,
    run: (_, rounds) => studyRatePart(rounds),
  },
  moves: {
    about: 'C-MOVE over one association and over two',
    rounds: 5,
    minutes: 10,
    run: movesPart,
  },
  find: { about: 'C-FIND of a study of 2,000 images', rounds: 5, minutes: 5, run: findPart },
  node: { about: 'the embedded node beside dcmqrscp', rounds: 5, minutes: 15, run: nodePart },
  dcmtk: {
    about: 'dcmqrscp to storescp, 200 × 0.5 MB',
    rounds: 5,
    minutes: 10,
    run: async (report) => {
      await dcmtkPart(report, MEDIUM, AS_THEY_COME);
      await dcmtkPart(report, MEDIUM, WITHOUT_NAGLE);
    },
  },
  'delivery-small': {
    about: 'raw to anon, 2,000 × 32 KB, Orthancs as they come: one round takes minutes',
    rounds: 3,
    minutes: 15,
    run: (report) => deliveryPart(report, SMALL, AS_THEY_COME),
  },
  'dcmtk-small': {
    about: 'dcmqrscp to storescp, 2,000 × 32 KB',
    rounds: 3,
    minutes: 15,
    run: async (report) => {
      await dcmtkPart(report, SMALL, AS_THEY_COME);
      await dcmtkPart(report, SMALL, WITHOUT_NAGLE);
    },
  },
};

async function runPart(name: string, part: Part, rounds: number, only?: string): Promise<void> {
  try {
    await part.run(new Report(name, rounds, only), rounds);
    process.stdout.write(readFileSync(join(RESULTS, `${name}.md`), 'utf8'));
  } finally {
    await closeLongLived();
  }
}

/** Each in a process of its own, so that one that fails or hangs keeps back no other. @returns the names of those */
async function runAll(rounds: string[]): Promise<string[]> {
  const failed: string[] = [];
  const parts = Object.entries(PARTS).map(([name, { minutes }]) => ({ name, minutes, args: rounds }));
  for (const { name, minutes, args } of [...parts, { name: 'populate', minutes: 30, args: [] }]) {
    const [, program = ''] = process.argv;
    const child = spawn(process.execPath, [program, name, ...args], { stdio: 'inherit' });
    const timer = setTimeout(() => child.kill(), minutes * 60_000); // it ends its peers with it
    const [code] = (await once(child, 'exit')) as [number | null];
    clearTimeout(timer);
    if (code === 0) continue;
    failed.push(name);
    process.stderr.write(`${name}: ended with ${code ?? 'a signal'}, or took longer than ${minutes} min\n`);
  }
  return failed;
}

function wrongUsage(problem: string): never {
  process.stderr.write(`${problem}\n`);
  process.exit(2);
}

async function main([what = 'all', ...rest]: string[]): Promise<void> {
  const [rounds, only] = rest;
  if (['rate', 'node-store', 'populate'].includes(what)) {
    process.argv.splice(2, 1);
    await import(`./parts/${what}.js`);
    return;
  }
  if (what === 'list') {
    for (const [name, { about }] of Object.entries(PARTS))
      process.stdout.write(`${name.padEnd(24)}${about}\n`);
    return;
  }
  if (rounds !== undefined && !/^[1-9]\d*$/.test(rounds))
    wrongUsage('the number of rounds is a whole number above 0');
  if (what === 'verdict') verdict();
  else if (what === 'all') {
    const failed = await runAll(rest);
    verdict();
    if (failed.length > 0) process.exitCode = 1;
  } else {
    const part = PARTS[what];
    if (part === undefined) wrongUsage(`no part "${what}"; there are ${Object.keys(PARTS).join(', ')}`);
    await runPart(what, part, rounds === undefined ? part.rounds : Number(rounds), only);
  }
}

await main(process.argv.slice(2));

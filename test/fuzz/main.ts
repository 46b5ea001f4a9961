import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { fuzz, type FuzzResult } from './fuzz.js';
import { targets } from './targets/index.js';

// npm run fuzz [-- target|all [seconds [seed]]]: tries inputs on the readers, guided by the code that they run, and keeps
// what does harm as a fixture that the tests try from then on.

const FOLDER = 'fixtures/fuzz';
const LONG = 4_096;

function keep(target: string, input: Uint8Array): string {
  mkdirSync(`${FOLDER}/${target}`, { recursive: true });
  const name = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const path = `${FOLDER}/${target}/${name}${input.length > LONG ? '.gz' : ''}`;
  writeFileSync(path, input.length > LONG ? gzipSync(input) : input);
  return path;
}

function report(name: string, seed: number, seconds: number, result: FuzzResult): void {
  const { executions, covered, corpus, finding } = result;
  console.log(
    `${name.padEnd(12)} ${executions} executions, ${Math.round(executions / seconds)} per second, ` +
      `${corpus} inputs kept, ${covered ?? 0} characters of code covered, seed ${seed}`,
  );
  if (finding === null) return;
  console.log(`${name}: ${finding.problem}\n${name}: the input is in ${keep(name, finding.input)}`);
  process.exitCode = 1;
}

const [wanted = 'all', secondsText = '60', seedText] = process.argv.slice(2);
const chosen = targets.filter(({ name }) => wanted === 'all' || wanted === name);
const seconds = Number(secondsText);
if (chosen.length === 0 || !(seconds > 0)) {
  console.error(
    `usage: npm run fuzz [-- target [seconds [seed]]], the targets: all, ${targets.map(({ name }) => name).join(', ')}`,
  );
  process.exitCode = 2;
} else
  for (const { name } of chosen) {
    const seed = seedText === undefined ? Date.now() % 2 ** 31 : Number(seedText);
    const startedAt = performance.now();
    const result = await fuzz({ target: name, seed, seconds, guided: true });
    report(name, seed, (performance.now() - startedAt) / 1000, result);
  }

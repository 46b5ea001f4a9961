import { publish } from '../../bench/measure.js';
import { Random } from '../fuzz/random.js';
import { UID_ROOT } from '../support/dicom-files.js';
import { tempDir } from '../support/temp-dir.js';
import { markdownOf, verdictOf } from './report.js';
import { Soak } from './run.js';
import { startSoakSite } from './site.js';
import { storesAway } from './stores-away.js';
import { fillArchives, Traffic } from './traffic.js';

// npm run soak [-- minutes [seed]]: mixed traffic through one daemon on real peers, with faults all the while, and whether
// its memory, sockets, timers and file handles stay as they are. Writes bench/results/soak.{json,md}.
// npm run soak -- stores-away [minutes]: raw, then anon, is away for so long (5) under a hundred messages.

const DEFAULT_MINUTES = 30;
const DEFAULT_AWAY_MINUTES = 5;

/** What the log must not have of the patients and studies that were made here. */
const IDENTIFIERS = ['MRN-', 'ACC-', `${UID_ROOT}.8800`];

async function soak(minutes: number, seed: number): Promise<void> {
  const folder = tempDir('soak');
  const site = await startSoakSite();
  const { daemon } = site.deployment;
  try {
    const random = new Random(seed);
    const traffic = new Traffic(await fillArchives(site.lab, folder.path), random);
    const events = await new Soak(site, traffic, random).run(minutes);
    const others = IDENTIFIERS.filter((text) => daemon.log().includes(text)).map(
      (text) => `${text} in the log`,
    );
    const { code } = await daemon.stop();
    if (code !== 0) others.push(`SIGTERM ended it with ${String(code)}`);
    const verdict = await verdictOf(events, { minutes, seed }, others);
    publish(
      'soak',
      { ...verdict, each30Seconds: events.traffic.filter((_, index) => index % 10 === 0) },
      markdownOf(verdict),
    );
    console.log(markdownOf(verdict));
    if (verdict.wrong.length > 0) process.exitCode = 1;
  } finally {
    await daemon.close();
    await site.close();
    folder.remove();
  }
}

async function away(minutes: number): Promise<void> {
  const wrong = await storesAway(minutes);
  for (const line of wrong) console.log(`wrong: ${line}`);
  if (wrong.length > 0) process.exitCode = 1;
}

const isAway = process.argv[2] === 'stores-away';
const [minutesText = `${isAway ? DEFAULT_AWAY_MINUTES : DEFAULT_MINUTES}`, seedText] = process.argv.slice(
  isAway ? 3 : 2,
);
const minutes = Number(minutesText);
if (!(minutes > 0)) {
  console.error('usage: npm run soak [-- minutes [seed] | -- stores-away [minutes]]');
  process.exitCode = 2;
} else if (isAway) await away(minutes);
else await soak(minutes, seedText === undefined ? Date.now() % 2 ** 31 : Number(seedText));

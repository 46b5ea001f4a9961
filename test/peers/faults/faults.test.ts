import { useFaults, type FaultCase } from './faults.js';
import { killPoints } from './kill-points.js';
import { memoryAlarm } from './memory-alarm.js';
import { network } from './network.js';
import { peersAway } from './peers-away.js';
import { faultSeed, randomFor } from './seed.js';
import { stores } from './stores.js';
import { untrueArchives } from './untrue-archives.js';

const CASES: readonly FaultCase[] = [
  killPoints,
  memoryAlarm,
  ...network,
  ...peersAway,
  ...stores,
  untrueArchives,
];

// In an order that follows from the seed, as everything else that is decided at random: none needs another one before it.
describe(`faults, with PIXL_FAULT_SEED=${faultSeed}`, () => {
  const faults = useFaults();
  for (const one of randomFor('order').shuffled(CASES))
    it(one.name, () => one.run(faults(), randomFor(one.name)));
});

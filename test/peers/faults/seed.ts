import { Random } from '../../fuzz/random.js';

/** `PIXL_FAULT_SEED`, to repeat a run; without it another one each time. */
export const faultSeed = Number(process.env['PIXL_FAULT_SEED'] ?? Date.now() % 2 ** 31);

/** What is decided at random under a name: the same for the same seed, whatever runs before. */
export function randomFor(name: string, seed = faultSeed): Random {
  return Random.of(Buffer.from(`${seed} ${name}`));
}

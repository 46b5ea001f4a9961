import type { Random } from './random.js';

/** Longer than any limit of the readers that is to be met in a short run. */
const MAX_LENGTH = 256 * 1024;

/** Where lengths, counts and signs turn over. */
const NUMBERS = [
  ...[0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 4_095, 0x7fff, 0x8000],
  ...[0xfffe, 0xffff, 0x10000, 0xfffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff],
];
/** Padding, separators, quotes, brackets: what readers look for one byte at a time. */
const RUN_BYTES = Buffer.from(' \0\\,"\n\r[{:*0\xff', 'latin1');
const RUN_LENGTHS = [2, 3, 8, 17, 64, 300, 5_000, 60_000, 200_000];

type Mutation = (input: Buffer, random: Random, corpus: readonly Buffer[]) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  (input, random) => overwrite(input, placeIn(input, random), Buffer.from([random.below(256)])),
  (input, random) => {
    const at = placeIn(input, random);
    return overwrite(input, at, Buffer.from([(input[at] ?? 0) ^ (1 << random.below(8))]));
  },
  (input, random) => overwrite(input, placeIn(input, random), number(random)),
  (input, random) => insert(input, placeIn(input, random), number(random)),
  (input, random) =>
    insert(
      input,
      placeIn(input, random),
      Buffer.alloc(random.pick(RUN_LENGTHS), random.pick([...RUN_BYTES])),
    ),
  (input, random) => {
    const at = placeIn(input, random);
    return Buffer.concat([input.subarray(0, at), input.subarray(at + 1 + random.below(40))]);
  },
  (input, random) => input.subarray(0, placeIn(input, random)),
  (input, random) => {
    const at = placeIn(input, random);
    const piece = input.subarray(at, at + 1 + random.below(80));
    return insert(input, at, Buffer.concat(new Array<Buffer>(random.pick([1, 2, 30, 1_000])).fill(piece)));
  },
  (input, random, corpus) => {
    const other = random.pick(corpus);
    return Buffer.concat([input.subarray(0, placeIn(input, random)), other.subarray(placeIn(other, random))]);
  },
];

/** One of the corpus with some changes. */
export function mutated(corpus: readonly Buffer[], random: Random): Buffer {
  let input = random.pick(corpus);
  for (let left = 1 + random.below(random.pick([1, 2, 6])); left > 0; left -= 1)
    input = random.pick(MUTATIONS)(input, random, corpus).subarray(0, MAX_LENGTH);
  return Buffer.from(input);
}

/** Anywhere, but for once in three near an end, where headers and footers are. */
function placeIn(input: Buffer, random: Random): number {
  const near = random.below(Math.min(input.length, 64) + 1);
  return random.pick([near, input.length - near, random.below(input.length + 1)]);
}

function number(random: Random): Buffer {
  const bytes = Buffer.alloc(4);
  if (random.below(2) === 0) bytes.writeUInt32LE(random.pick(NUMBERS));
  else bytes.writeUInt32BE(random.pick(NUMBERS));
  const width = random.pick([1, 2, 4]);
  return random.below(2) === 0 ? bytes.subarray(0, width) : bytes.subarray(4 - width);
}

function overwrite(input: Buffer, at: number, bytes: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, at), bytes, input.subarray(at + bytes.length)]);
}

function insert(input: Buffer, at: number, bytes: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, at), bytes, input.subarray(at)]);
}

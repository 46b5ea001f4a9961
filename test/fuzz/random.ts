import { createHash } from 'node:crypto';

/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** What is decided at random about an input is the same each time it is tried, also from a file. */
  static of(input: Buffer): Random {
    return new Random(createHash('sha256').update(input).digest().readInt32LE(0));
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<T>(from: readonly T[]): T {
    const one = from[this.below(from.length)];
    if (one === undefined) throw new RangeError('nothing to pick from');
    return one;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** The same in another order (Fisher and Yates). */
  shuffled<T>(all: readonly T[]): T[] {
    const left = [...all];
    return all.map(() => left.splice(this.below(left.length), 1)[0]!);
  }

  /** The bytes in pieces, some of them of a single byte, some empty. */
  pieces(bytes: Buffer): Buffer[] {
    const most = this.pick([1, 3, 40, 3_000, 70_000]);
    // A large input byte by byte would take most of the time there is.
    const least = bytes.length > 20_000 && most < 100 ? 1_000 : 0;
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = at + least + this.below(most + 1);
      pieces.push(bytes.subarray(at, end));
      at = end;
    }
    return pieces;
  }
}

import type { Random } from './random.js';

/** A reader under test: where its inputs begin, and what must hold for each of them. */
export interface Target {
  readonly name: string;
  /** Real inputs, and what the project's own encoders write; the others are made from them. */
  corpus(): readonly Buffer[] | Promise<readonly Buffer[]>;
  /**
   * Throws when something does not hold that must hold for any bytes: only the reader's own errors, the same result
   * however the bytes are cut, decode(encode(x)) = x.
   */
  run(input: Buffer, random: Random): void | Promise<void>;
  /** What one input may keep or take at a time, in bytes. */
  readonly maxMemory: number;
}

/** The result of `act`, or null when it threw one of these errors; another error is a finding. */
export function orRefused<T>(
  act: () => T,
  ...errors: readonly (abstract new (...args: never[]) => Error)[]
): T | null {
  try {
    return act();
  } catch (error) {
    if (errors.some((each) => error instanceof each)) return null;
    throw error;
  }
}

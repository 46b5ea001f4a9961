const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 10_000;

/** The pause after so many failures in a row, in milliseconds: doubling from 200 ms to 10 s. */
export function pauseMs(failures: number): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
}

/** What a command ends with (docs: README, "Exit codes"). */
export const Exit = {
  Done: 0,
  Failed: 1,
  /** Wrong usage or configuration. */
  Usage: 2,
  NotFound: 3,
  Incomplete: 4,
} as const;
export type ExitCode = (typeof Exit)[keyof typeof Exit];

import { readFileSync, statSync } from 'node:fs';
import { printLine } from '../output.js';
import { DemoCommandError, type RunningDaemon } from './program.js';

/** A machine may be so busy that nothing of what the daemon does is seen for a while. */
const STILL_MS = 120_000;
/** However much it does: a start is done by then on any machine, and a daemon that only turns in circles is given up. */
const IN_ALL_MS = 1_800_000;
const SAY_EVERY_MS = 10_000;

export type WatchedDaemon = Pick<RunningDaemon, 'isRunning' | 'processorTime'>;

/** For tests. */
export interface PatienceParts {
  /** Milliseconds. */
  readonly now?: () => number;
  readonly say?: (line: string) => void;
}

/**
 * Waits for a daemon as long as it gets on, which a busy machine may make slow: as long as what it does changes, its log grows,
 * or it is given processor time. Says every ten seconds what is waited for.
 */
export class Patience {
  readonly #what: string;
  readonly #daemon: WatchedDaemon;
  readonly #logFile: string;
  readonly #now: () => number;
  readonly #say: (line: string) => void;
  readonly #startedAt: number;
  #mark = '';
  #changedAt: number;
  #saidAt: number;

  /** @param what is waited for, behind "waiting for" */
  constructor(
    what: string,
    daemon: WatchedDaemon,
    logFile: string,
    { now = () => performance.now(), say = printLine }: PatienceParts = {},
  ) {
    this.#what = what;
    this.#daemon = daemon;
    this.#logFile = logFile;
    this.#now = now;
    this.#say = say;
    this.#startedAt = this.#changedAt = this.#saidAt = now();
  }

  /**
   * Looks once.
   *
   * @param seen what the daemon says of itself, in any form
   * @throws DemoCommandError when it has ended, or does nothing any more
   */
  look(seen = ''): void {
    if (!this.#daemon.isRunning)
      throw new DemoCommandError('serve', `the daemon has ended, see ${this.#logFile}`);
    const now = this.#now();
    const mark = `${seen} ${logSize(this.#logFile)} ${this.#daemon.processorTime()}`;
    if (mark !== this.#mark) this.#changedAt = now;
    this.#mark = mark;
    if (now - this.#changedAt > STILL_MS || now - this.#startedAt > IN_ALL_MS)
      throw new DemoCommandError(
        'serve',
        `gave up waiting for ${this.#what} after ${seconds(now - this.#startedAt)}, see ${this.#logFile}`,
      );
    if (now - this.#saidAt < SAY_EVERY_MS) return;
    this.#saidAt = now;
    this.#say(
      `  waiting for ${this.#what}, ${seconds(now - this.#startedAt)}; the daemon's log says: ${lastWords(this.#logFile)}`,
    );
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

function logSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The message of the last line that is whole. */
function lastWords(file: string): string {
  const line = readFileSync(file, 'utf8').split('\n').at(-2);
  if (line === undefined) return 'nothing yet';
  try {
    return (JSON.parse(line) as { readonly msg?: string }).msg ?? line;
  } catch {
    return line; // Node's own words
  }
}

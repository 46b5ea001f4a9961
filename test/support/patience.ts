import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * How long a wait may take is said for a quick machine with nothing else to do, and stretched for the one that is there:
 * by how slow it was when the run began, and by what it has to do at this moment. A wait ends when what it waits for is
 * there; patience bounds those that will not see it.
 */

/** What the pieces of work take on the machine that the waits were written for, with nothing else running, in milliseconds. */
const USUAL = { spawn: 60, sync: 4, work: 45 } as const;
/** No machine is taken for slower than this: a measurement that was held up says nothing of the rest of the run. */
const SLOWEST = 10;
/** Nor for busier: a wait that will not end is to be told of the same day. */
const BUSIEST = 16;
const LOOK_AGAIN_MS = 500;
/** scripts/test.sh measures for all of a run's processes, and hands on what it found under this name. */
const VARIABLE = 'PIXL_TEST_PATIENCE';

function timed(work: () => void): number {
  const times = [1, 2, 3].map(() => {
    const from = performance.now();
    work();
    return performance.now() - from;
  });
  return times.sort((a, b) => a - b)[1]!;
}

/** How many times slower this machine is at the worst of: starting a process, having a file on the disk, computing. At least 1. */
export function measureSlowness(): number {
  const file = join(tmpdir(), `pixl-patience-${process.pid}`);
  const bytes = Buffer.alloc(1 << 16);
  const took = {
    spawn: timed(() => spawnSync(process.execPath, ['-e', '0'])),
    sync: timed(() => {
      const fd = openSync(file, 'w');
      writeSync(fd, bytes);
      fsyncSync(fd);
      closeSync(fd);
    }),
    work: timed(() => {
      const hash = createHash('sha256');
      for (let count = 0; count < 640; count += 1) hash.update(bytes);
      hash.digest();
    }),
  };
  rmSync(file, { force: true });
  const worst = Math.max(...(['spawn', 'sync', 'work'] as const).map((name) => took[name] / USUAL[name]));
  return Math.min(Math.max(worst / busyness(), 1), SLOWEST); // what others took meanwhile is not the machine's fault
}

let measured: number | undefined;

/** As measured when the run began; the first who asks measures where nobody has. */
export function slowness(): number {
  if (measured !== undefined) return measured;
  const handedOn = Number(process.env[VARIABLE]);
  measured = handedOn >= 1 ? handedOn : measureSlowness();
  process.env[VARIABLE] = measured.toFixed(2);
  return measured;
}

let looked = { at: -Infinity, factor: 1 };

/** How many wait for each processor now (proc(5), loadavg: over the last minute, and at this moment). At least 1. */
function busyness(): number {
  const now = performance.now();
  if (now - looked.at > LOOK_AGAIN_MS) {
    const [lastMinute = '0', , , running = ''] = readFileSync('/proc/loadavg', 'latin1').split(' ');
    const waiting = Math.max(Number(lastMinute), Number(running.split('/')[0]));
    looked = { at: now, factor: Math.min(Math.max(waiting / availableParallelism(), 1), BUSIEST) };
  }
  return looked.factor;
}

/** So many milliseconds of a quick, idle machine, as this one takes for them now. Whole, and never less. */
export function patience(ms: number): number {
  return Math.ceil(ms * slowness() * busyness());
}

/** A wait that begins now. It grows when the machine gets busier while it lasts. */
export class Wait {
  readonly #ms: number;
  readonly #from = performance.now();
  #allowed = 0;

  constructor(ms: number) {
    this.#ms = ms;
  }

  isOver(): boolean {
    this.#allowed = Math.max(this.#allowed, patience(this.#ms));
    return performance.now() - this.#from >= this.#allowed;
  }

  /** For messages. */
  get waited(): string {
    return `${Math.round(performance.now() - this.#from)} ms`;
  }
}

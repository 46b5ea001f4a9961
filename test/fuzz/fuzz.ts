import { Worker } from 'node:worker_threads';

/** What is tried, from which seed, and for how long: as many inputs, or seconds. */
export interface FuzzOptions {
  readonly target: string;
  readonly seed: number;
  readonly executions?: number;
  readonly seconds?: number;
  /** Inputs that run code which none has run before become part of the corpus. */
  readonly guided: boolean;
}

/** For the thread: it leaves there how many inputs it has tried and the length of the last, and the input itself. */
export interface FuzzJob extends FuzzOptions {
  readonly counters: Int32Array;
  readonly input: Uint8Array;
}

export interface FuzzResult {
  readonly executions: number;
  readonly corpus: number;
  /** Characters of the project's own code that were run; null when that was not looked at. */
  readonly covered: number | null;
  readonly finding: { readonly problem: string; readonly input: Uint8Array } | null;
}

const MAX_INPUT = 1 << 20;
/** No input takes this long, on however busy a machine. */
const STUCK_AFTER_S = 30;
/** A reader that needs more than this for 256 KiB would take a daemon down. */
const MAX_HEAP_MB = 512;

/** Tries inputs in a thread until there is a finding, or the end of what was asked for. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const counters = new Int32Array(new SharedArrayBuffer(8));
  const input = new Uint8Array(new SharedArrayBuffer(MAX_INPUT));
  const worker = new Worker(new URL('./fuzz-worker.js', import.meta.url), {
    workerData: { ...options, counters, input } satisfies FuzzJob,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const broken = (problem: string): FuzzResult => ({
    executions: counters[0] ?? 0,
    corpus: 0,
    covered: null,
    finding: { problem, input: Uint8Array.from(input.subarray(0, counters[1])) },
  });
  let watch: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve) => {
      let [last, still] = [-1, 0];
      watch = setInterval(() => {
        still = counters[0] === last ? still + 1 : 0;
        last = counters[0] ?? 0;
        if (still >= STUCK_AFTER_S) resolve(broken(`nothing for ${STUCK_AFTER_S} s`));
      }, 1000);
      worker.once('message', (result: FuzzResult) => resolve(result));
      worker.once('error', (error) =>
        resolve(broken(`the thread broke off: ${error.stack ?? error.message}`)),
      );
      worker.once('exit', (code) => resolve(broken(`the thread ended with ${code}`)));
    });
  } finally {
    clearInterval(watch);
    await worker.terminate();
  }
}

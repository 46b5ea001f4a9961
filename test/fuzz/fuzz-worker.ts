import { parentPort, workerData } from 'node:worker_threads';
import { Coverage } from './coverage.js';
import type { FuzzJob, FuzzResult } from './fuzz.js';
import { mutated } from './mutate.js';
import { Random } from './random.js';
import { foundInputs } from './found-inputs.js';
import type { Target } from './target.js';
import { targets } from './targets/index.js';
import { problemOf } from './try-input.js';

/** Asking V8 for the coverage takes longer than most inputs, so that it is asked for several of them together. */
const BATCH = 50;

/** A thread of its own, so that the parent can end an input that takes for ever, and survives one that takes all memory. */
class Fuzzing {
  readonly #job: FuzzJob;
  readonly #target: Target;
  readonly #random: Random;
  readonly #coverage: Coverage | null;
  readonly #until: number;
  #corpus: Buffer[] = [];
  #executions = 0;
  #finding: FuzzResult['finding'] = null;

  constructor(job: FuzzJob, target: Target) {
    this.#job = job;
    this.#target = target;
    this.#random = new Random(job.seed);
    this.#coverage = job.guided ? new Coverage() : null;
    this.#until = performance.now() + (job.seconds ?? Infinity) * 1000;
  }

  async run(): Promise<FuzzResult> {
    const known = [
      ...(await this.#target.corpus()),
      ...foundInputs(this.#target.name).map(({ bytes }) => bytes),
    ];
    for (const input of known) await this.#try(input);
    this.#corpus = known.filter(isShort);
    this.#coverage?.add();
    while (!this.#isOver()) await this.#batch();
    this.#coverage?.close();
    return {
      executions: this.#executions,
      corpus: this.#corpus.length,
      covered: this.#coverage?.count ?? null,
      finding: this.#finding,
    };
  }

  async #batch(): Promise<void> {
    const inputs: Buffer[] = [];
    while (inputs.length < BATCH && !this.#isOver()) {
      const input = mutated(this.#corpus, this.#random);
      inputs.push(input);
      await this.#try(input);
    }
    const coverage = this.#coverage;
    if (coverage === null || coverage.fresh() === 0) return;
    // Which of them it was is seen when each is tried again.
    for (const input of inputs.filter(isShort)) {
      await this.#try(input);
      if (coverage.add() > 0) this.#corpus.push(input);
    }
  }

  #isOver(): boolean {
    return (
      this.#finding !== null ||
      this.#executions >= (this.#job.executions ?? Infinity) ||
      performance.now() > this.#until
    );
  }

  async #try(input: Buffer): Promise<void> {
    if (this.#finding !== null) return;
    const { counters, input: shared } = this.#job;
    shared.set(input.subarray(0, shared.length));
    counters[1] = input.length;
    Atomics.add(counters, 0, 1);
    this.#executions += 1;
    const problem = await problemOf(this.#target, input);
    if (problem !== null) this.#finding = { problem, input };
  }
}

/** Others are made from it; long ones would slow them down. */
function isShort(input: Buffer): boolean {
  return input.length < 16_384;
}

const job = workerData as FuzzJob;
const target = targets.find(({ name }) => name === job.target);
if (target === undefined) throw new Error(`no target ${job.target}`);
parentPort?.postMessage(await new Fuzzing(job, target).run());

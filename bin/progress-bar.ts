import { Presets, SingleBar } from 'cli-progress';
import type { JourneyObserver, Progress } from '../src/pipeline/index.js';

const STEP_WORDS: Readonly<Record<Progress['step'], string>> = {
  find: 'finding',
  compare: 'comparing',
  retrieve: 'retrieving',
  deliver: 'delivering',
};

/** Shows how far a study is, on standard error and only when that is a terminal. */
export class ProgressBar implements JourneyObserver {
  readonly #bar: SingleBar | null;
  #shown: Pick<Progress, 'step' | 'studyInstanceUid'> | null = null;

  constructor() {
    const format = '{step} [{bar}] {value}/{total} images';
    this.#bar = process.stderr.isTTY
      ? new SingleBar(
          { format, stream: process.stderr, hideCursor: true, clearOnComplete: false },
          Presets.shades_grey,
        )
      : null;
  }

  progress(progress: Progress): void {
    if (this.#bar === null || progress.expected === 0) return;
    const { step, studyInstanceUid, done, expected } = progress;
    if (this.#shown?.step !== step || this.#shown.studyInstanceUid !== studyInstanceUid) {
      this.#bar.stop();
      this.#bar.start(expected, done, { step: STEP_WORDS[step].padEnd(10) });
      this.#shown = progress;
    } else this.#bar.update(done);
  }

  ended(): void {
    // The bar of the next step, or of the next study, takes its place.
  }

  stop(): void {
    this.#bar?.stop();
  }
}

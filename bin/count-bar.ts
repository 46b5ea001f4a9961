import { Presets, SingleBar } from 'cli-progress';

/** How far counting work is, on standard error and only when that is a terminal. */
export class CountBar {
  readonly #bar: SingleBar | null;
  readonly #what: string;
  #shown = false;

  constructor(what: string, unit: string) {
    this.#what = what;
    this.#bar = process.stderr.isTTY
      ? new SingleBar(
          {
            format: `{what} [{bar}] {value}/{total} ${unit}`,
            stream: process.stderr,
            hideCursor: true,
            clearOnComplete: false,
          },
          Presets.shades_grey,
        )
      : null;
  }

  /** A total of 0 = not known. */
  show(done: number, total: number): void {
    if (this.#bar === null) return;
    if (this.#shown) {
      this.#bar.setTotal(Math.max(total, done));
      this.#bar.update(done);
    } else this.#bar.start(Math.max(total, done), done, { what: this.#what });
    this.#shown = true;
  }

  /** `show` begins a new one after it. */
  stop(): void {
    this.#bar?.stop();
    this.#shown = false;
  }
}

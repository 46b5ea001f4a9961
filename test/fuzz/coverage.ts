import { Session, type Profiler } from 'node:inspector';

/** Which characters of the project's own code have been run in this thread, as V8 counts them. */
export class Coverage {
  readonly #session = new Session();
  readonly #covered = new Map<string, Uint8Array>();
  #count = 0;

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Characters of code. */
  get count(): number {
    return this.#count;
  }

  /** How many characters that had never been run before were run since the last call of this or of {@link add}. */
  fresh(): number {
    return this.#look(false);
  }

  /** The same, and takes them for run from now on. */
  add(): number {
    const count = this.#look(true);
    this.#count += count;
    return count;
  }

  close(): void {
    this.#session.disconnect();
  }

  #look(keep: boolean): number {
    let count = 0;
    // The answer comes before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      for (const script of result) if (script.url.includes('/dist/src/')) count += this.#lookAt(script, keep);
    });
    return count;
  }

  #lookAt({ scriptId, functions }: Profiler.ScriptCoverage, keep: boolean): number {
    const end = Math.max(0, ...functions.map(({ ranges }) => ranges[0]?.endOffset ?? 0));
    let known = this.#covered.get(scriptId) ?? new Uint8Array(0);
    if (known.length < end) {
      // Functions that have not been compiled before are not in it.
      const larger = new Uint8Array(end);
      larger.set(known);
      known = larger;
      this.#covered.set(scriptId, known);
    }
    let count = 0;
    for (const { ranges } of functions) {
      const [whole] = ranges;
      if (whole === undefined || whole.count === 0) continue;
      // Outer ranges come before those within them.
      const own = new Uint8Array(whole.endOffset - whole.startOffset);
      for (const each of ranges)
        own.fill(
          each.count > 0 ? 1 : 0,
          each.startOffset - whole.startOffset,
          each.endOffset - whole.startOffset,
        );
      for (let at = 0; at < own.length; at += 1) {
        if (own[at] === 0 || known[whole.startOffset + at] === 1) continue;
        count += 1;
        if (keep) known[whole.startOffset + at] = 1;
      }
    }
    return count;
  }
}

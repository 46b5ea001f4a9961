/** An answer that costs something to make: made at most once in so many milliseconds, whoever asks meanwhile shares it. */
export class SharedAnswer<T> {
  readonly #everyMs: number;
  readonly #make: () => Promise<T>;
  readonly #now: () => number;
  #last: { readonly answer: Promise<T>; readonly at: number } | undefined;

  constructor(everyMs: number, make: () => Promise<T>, now: () => number = () => performance.now()) {
    this.#everyMs = everyMs;
    this.#make = make;
    this.#now = now;
  }

  /** The last one, where it is young enough; one that failed is not kept. It is as old as its asking began. */
  get(): Promise<T> {
    const now = this.#now();
    if (this.#last !== undefined && now - this.#last.at < this.#everyMs) return this.#last.answer;
    const made = { answer: this.#make(), at: now };
    this.#last = made;
    made.answer.catch(() => {
      if (this.#last === made) this.#last = undefined;
    });
    return made.answer;
  }

  /** Something has changed: whoever asks from now on gets a new one. */
  forget(): void {
    this.#last = undefined;
  }
}

/** Closes what was opened, last opened first closed; each owner registers its resource right after opening it. */
export class Closers {
  #closers: { readonly name: string; readonly close: () => Promise<void> | void }[] = [];

  add(name: string, close: () => Promise<void> | void): void {
    this.#closers.push({ name, close });
  }

  /** Runs every closer even when one fails. @throws AggregateError with what failed, named. */
  async closeAll(): Promise<void> {
    const failures: Error[] = [];
    for (let next = this.#closers.pop(); next !== undefined; next = this.#closers.pop()) {
      try {
        await next.close();
      } catch (cause) {
        failures.push(new Error(`closing ${next.name} failed`, { cause }));
      }
    }
    if (failures.length > 0)
      throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '));
  }
}

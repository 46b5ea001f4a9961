/**
 * Whether an archive may be given work now, and if not why. Several parties close it, each under a name of its own:
 * the rate, the hours, the breaker, an operator. It is open when nobody keeps it closed.
 */
export class Gate {
  readonly #closedBy = new Map<string, string>();
  readonly #listeners = new Set<() => void>();

  get isOpen(): boolean {
    return this.#closedBy.size === 0;
  }

  /** Every reason why it is closed, in the order of closing; null when it is open. */
  get reason(): string | null {
    return this.isOpen ? null : [...this.#closedBy.values()].join('; ');
  }

  /** @param party who closes it; a second call under the same name replaces the reason */
  close(party: string, reason: string): void {
    if (this.#closedBy.get(party) === reason) return;
    this.#closedBy.set(party, reason);
    this.#changed();
  }

  /** Closed by this party as long as it has a reason; null opens it. */
  hold(party: string, reason: string | null): void {
    if (reason === null) this.open(party);
    else this.close(party, reason);
  }

  open(party: string): void {
    if (this.#closedBy.delete(party)) this.#changed();
  }

  /** @returns a function that ends the subscription */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

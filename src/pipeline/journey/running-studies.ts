import type { JourneyObserver, Progress } from './parts.js';

/** The studies that are being worked on, with how far each is. */
export class RunningStudies implements JourneyObserver {
  readonly #studies = new Map<Progress['id'], Progress>();

  progress(progress: Progress): void {
    this.#studies.set(progress.id, progress);
  }

  ended({ id }: Pick<Progress, 'id'>): void {
    this.#studies.delete(id);
  }

  list(): readonly Progress[] {
    return [...this.#studies.values()];
  }
}

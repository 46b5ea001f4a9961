import type { JourneyObserver, Progress } from './parts.js';

/** The studies that are being worked on, with how far each is. */
export class RunningStudies implements JourneyObserver {
  readonly #studies = new Map<string, Progress>();

  progress(progress: Progress): void {
    this.#studies.set(keyOf(progress), progress);
  }

  ended(study: Pick<Progress, 'archive' | 'studyInstanceUid'>): void {
    this.#studies.delete(keyOf(study));
  }

  list(): readonly Progress[] {
    return [...this.#studies.values()];
  }
}

function keyOf({ archive, studyInstanceUid }: Pick<Progress, 'archive' | 'studyInstanceUid'>): string {
  return `${archive} ${studyInstanceUid}`;
}

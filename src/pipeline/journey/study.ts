import type { Settled } from '../../core/acknowledgements.js';
import type { StudyInstanceUid } from '../../core/ids.js';
import type { StudyRequest } from '../../core/message.js';
import type { StudyMatch } from '../../dimse/index.js';
import { listSeries, StudyContents } from '../study-contents.js';
import { StudyTally } from '../tally/study-tally.js';
import type { Archive, JourneyParts, Step } from './parts.js';

/** A message that is worked on in one archive. */
export interface Work {
  readonly message: StudyRequest;
  readonly archive: Archive;
  readonly parts: JourneyParts;
  /** What was delivered or left out in earlier attempts. */
  readonly settled: Settled;
  readonly signal: AbortSignal;
}

let studies = 0;

/** One study of a message, from the moment at which it is found. */
export class StudyInHand {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly match: StudyMatch;
  readonly work: Work;
  readonly tally: StudyTally;
  /** The archive's list of what was asked for: the truth that a retrieval is judged by. */
  expected = new StudyContents(new Map());
  readonly #id: number;
  #looking: Promise<void> = Promise.resolve();
  #nextLook: Promise<void> | null = null;

  constructor(match: StudyMatch, work: Work) {
    this.match = match;
    this.studyInstanceUid = match.studyInstanceUid;
    this.work = work;
    this.tally = new StudyTally(match.studyInstanceUid);
    this.#id = studies += 1;
  }

  /** Whether all that the archive has of the study was asked for. */
  get isAskedWhole(): boolean {
    return this.work.message.seriesInstanceUids.length === 0;
  }

  /**
   * Asks raw what it holds now. One look at a time, and none is older than the one before: who asks during a look shares the next.
   *
   * @throws what a query fails with
   */
  look(): Promise<void> {
    this.#nextLook ??= this.#lookAfter(this.#looking);
    return this.#nextLook;
  }

  /** Tells the observer how far it is; `moved`: images that the archive says it has sent, and raw was not asked about yet. */
  progress(step: Step, moved = 0): void {
    const { tally, work } = this;
    const done =
      step === 'deliver'
        ? tally.count('delivered') + tally.count('excluded')
        : tally.expected - tally.outstanding + moved;
    work.parts.observer.progress({
      id: this.#id,
      archive: work.archive.name,
      studyInstanceUid: this.studyInstanceUid,
      step,
      done: Math.min(done, tally.expected),
      expected: tally.expected,
    });
  }

  /** Nothing more is done for it by this message, whatever came of it. */
  end(): void {
    const { tally, work } = this;
    tally.end();
    work.parts.observer.ended({ id: this.#id });
    // A C-MOVE goes past us: how many bytes it brought is not known.
    work.parts.metrics.imagesRetrieved(work.archive.name, tally.report().images.retrieved, 0);
    work.parts.metrics.imagesDelivered(work.archive.name, tally.sent.images, tally.sent.bytes);
  }

  async #lookAfter(before: Promise<void>): Promise<void> {
    await before.catch(() => undefined); // whoever asked for that one has been told
    this.#looking = this.#nextLook ?? Promise.resolve();
    this.#nextLook = null;
    const { parts, signal } = this.work;
    const series = this.expected.series.keys();
    const { queryTimeoutMs } = parts.settings;
    const asks = 'names and transfer syntaxes';
    this.tally.seeRaw(
      await listSeries(parts.raw, this.studyInstanceUid, series, queryTimeoutMs, signal, asks),
    );
  }
}

import { pause } from '../core/cancel.js';
import { PixlError } from '../core/errors.js';
import { Status } from '../dimse/index.js';
import { heldByRaw, type Comparison } from './compare-with-raw.js';
import { moveMissing, refusesLevel, type MoveEnd } from './move-missing.js';
import type { Archive, JourneyParts, RetrieveLevel } from './parts.js';
import type { StudyContents } from './study-contents.js';

/** What raw holds after a retrieval: the only thing that it is judged by. */
export interface Retrieval {
  readonly held: StudyContents;
  readonly missing: StudyContents;
  /** The archive refused for want of resources, or said success and sent nothing. */
  readonly congested: boolean;
}

const RAW_POLL_MS = 250;

/**
 * Step 3: C-MOVE to raw of what raw lacks, until raw holds every instance that the archive lists, or the rounds
 * are over. Statuses and counters of the C-MOVE decide nothing but how to ask next.
 *
 * @param onMissing told what raw lacks, each time that raw was asked; so it is known after a failure too
 * @throws DimseStatusError when the archive refuses for good (destination unknown, not authorized); what ends an
 *   association, unless everything has arrived before; CancelledError
 */
export async function retrieveStudy(
  comparison: Comparison,
  archive: Archive,
  parts: JourneyParts,
  signal: AbortSignal,
  onMissing: (missing: StudyContents) => void,
): Promise<Retrieval> {
  const rounds = new Rounds(comparison, archive, parts, signal, onMissing);
  return rounds.run();
}

class Rounds {
  readonly #comparison: Comparison;
  readonly #archive: Archive;
  readonly #parts: JourneyParts;
  readonly #signal: AbortSignal;
  readonly #onMissing: (missing: StudyContents) => void;
  #congested = false;
  #held: StudyContents;
  #missing: StudyContents;

  constructor(
    comparison: Comparison,
    archive: Archive,
    parts: JourneyParts,
    signal: AbortSignal,
    onMissing: (missing: StudyContents) => void,
  ) {
    this.#onMissing = onMissing;
    this.#comparison = comparison;
    this.#archive = archive;
    this.#parts = parts;
    this.#signal = signal;
    this.#held = comparison.held;
    this.#missing = comparison.expected.lackedBy(comparison.held);
  }

  async run(): Promise<Retrieval> {
    const { retrieveAttempts } = this.#parts.settings;
    let level = this.#firstLevel();
    let widened = false;
    for (let round = 1; round <= retrieveAttempts && this.#missing.size > 0;) {
      const lacked = this.#missing.size;
      const asked = await this.#ask(level);
      const nothingCame = this.#missing.size === lacked;
      if (asked === 'revoked') {
        // The limiter cut it short: no fault of the archive's. What was moved whole may now be more than a batch.
        level = this.#firstLevel();
        widened = false;
        continue;
      }
      const wider = asked === 'refused' && nothingCame ? WIDER[level] : null;
      if (wider !== null) {
        level = wider;
        widened = true;
        continue;
      }
      // The level that brings something where a narrower one was refused is what this archive can do.
      if (widened && !nothingCame) this.#archive.moveLevel = level;
      round += 1;
      level = this.#archive.moveLevel;
      widened = false;
    }
    return { held: this.#held, missing: this.#missing, congested: this.#congested };
  }

  /**
   * Nothing in raw, and the archive's rate is not limited: the whole of what was asked for, or of a large study parts
   * for several associations. Else single images, which can be asked for one batch at a time.
   */
  #firstLevel(): RetrieveLevel {
    const { moveLevel, limiter } = this.#archive;
    if (this.#held.size > 0 || Number.isFinite(limiter.largestBatch)) return moveLevel;
    const lanes = this.#lanes;
    if (lanes > 1) return this.#missing.series.size < 2 * lanes ? 'IMAGE' : 'SERIES';
    return this.#comparison.wholeStudy ? 'STUDY' : 'SERIES';
  }

  /**
   * A study of more than a batch comes over as many associations as the archive may have, for there are archives that
   * need 44 ms for each image on one (docs/field-notes.md). Only at the first time of asking, and where single images
   * can be asked for.
   */
  get #lanes(): number {
    const { moveLevel, limiter, client } = this.#archive;
    const isLarge = this.#missing.size > this.#parts.settings.moveBatch;
    return isLarge && this.#held.size === 0 && moveLevel === 'IMAGE' && !Number.isFinite(limiter.largestBatch)
      ? client.maxAssociations
      : 1;
  }

  /** One round at one level. */
  async #ask(level: RetrieveLevel): Promise<'answered' | 'refused' | 'revoked'> {
    let end: MoveEnd;
    try {
      end = await this.#move(level);
    } catch (error) {
      if (!(error instanceof PixlError) || this.#signal.aborted) throw error;
      await this.#look();
      if (this.#missing.size > 0) throw error;
      return 'answered';
    }
    const lacked = this.#missing.size;
    await this.#look();
    if (end.revoked) return 'revoked';
    if (end.results.some(({ status }) => status === Status.Success)) await this.#settle();
    const nothingCame = this.#missing.size === lacked;
    this.#congested ||= end.results.some(
      ({ status }) => OUT_OF_RESOURCES.has(status) || (status === Status.Success && nothingCame),
    );
    return end.results.every(({ status }) => refusesLevel(status)) ? 'refused' : 'answered';
  }

  #move(level: RetrieveLevel): Promise<MoveEnd> {
    const { studyInstanceUid, expected } = this.#comparison;
    const request = {
      studyInstanceUid,
      level,
      expected,
      missing: this.#missing,
      lanes: level === 'STUDY' ? 1 : this.#lanes,
      stillMoving: () => this.#grown(),
      onMoved: (images: number) => this.#progress(images),
    };
    return moveMissing(request, this.#archive, this.#parts, this.#signal);
  }

  /** There are archives that answer success first and send then: wait while raw grows, and a little longer. */
  async #settle(): Promise<void> {
    let quietSince = performance.now();
    while (this.#missing.size > 0 && performance.now() - quietSince < this.#parts.settings.settleMs) {
      await pause(RAW_POLL_MS, this.#signal, 'C-MOVE');
      if (await this.#grown()) quietSince = performance.now();
    }
  }

  /** Asks raw, and says whether it holds more than when it was asked before. */
  async #grown(): Promise<boolean> {
    const before = this.#held.size;
    await this.#look();
    return this.#held.size > before;
  }

  async #look(): Promise<void> {
    const { studyInstanceUid, expected } = this.#comparison;
    this.#held = await heldByRaw(studyInstanceUid, expected, this.#parts, this.#signal);
    this.#missing = expected.lackedBy(this.#held);
    this.#onMissing(this.#missing);
    this.#progress(0);
  }

  #progress(moved: number): void {
    const { studyInstanceUid, expected } = this.#comparison;
    this.#parts.observer.progress({
      archive: this.#archive.name,
      studyInstanceUid,
      step: 'retrieve',
      done: Math.min(expected.size, expected.size - this.#missing.size + moved),
      expected: expected.size,
    });
  }
}

/** Statuses of a peer that has too much to do (PS3.4 C.4.1.1.4, C.4.2.1.5). */
export const OUT_OF_RESOURCES: ReadonlySet<number> = new Set([
  Status.OutOfResources,
  Status.OutOfResourcesMatches,
]);

const WIDER: Readonly<Record<RetrieveLevel, RetrieveLevel | null>> = {
  IMAGE: 'SERIES',
  SERIES: 'STUDY',
  STUDY: null,
};

import { pause, throwIfCancelled } from '../core/cancel.js';
import { PixlError } from '../core/errors.js';
import type { SeriesInstanceUid, StudyInstanceUid } from '../core/ids.js';
import {
  cMove,
  DimseStatusError,
  Status,
  type Association,
  type RetrieveResult,
  type RetrieveSelection,
} from '../dimse/index.js';
import { heldByRaw, type Comparison } from './compare-with-raw.js';
import type { Archive, JourneyParts, RetrieveLevel } from './parts.js';
import type { StudyContents } from './study-contents.js';

/** What raw holds after a retrieval: the only thing that it is judged by. */
export interface Retrieval {
  readonly held: StudyContents;
  readonly missing: StudyContents;
  /** How the last C-MOVE ended; null when none was needed. */
  readonly lastStatus: number | null;
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
  #held: StudyContents;
  #missing: StudyContents;
  #lastStatus: number | null = null;

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
      const refused = await this.#ask(level);
      const nothingCame = this.#missing.size === lacked;
      const wider = refused && nothingCame ? WIDER[level] : null;
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
    return { held: this.#held, missing: this.#missing, lastStatus: this.#lastStatus };
  }

  /** Nothing in raw: the whole of what was asked for. Something: the instances that are missing. */
  #firstLevel(): RetrieveLevel {
    if (this.#held.size > 0) return this.#archive.moveLevel;
    return this.#comparison.wholeStudy ? 'STUDY' : 'SERIES';
  }

  /** One round at one level. @returns whether the archive refused to move at that level */
  async #ask(level: RetrieveLevel): Promise<boolean> {
    let ended: RetrieveResult[];
    try {
      ended = await this.#archive.client.withQueryRetrieve((association) =>
        this.#moveAll(association, level),
      );
    } catch (error) {
      if (!(error instanceof PixlError) || this.#signal.aborted) throw error;
      await this.#look();
      if (this.#missing.size > 0) throw error;
      return false;
    }
    await this.#look();
    if (ended.some(({ status }) => status === Status.Success)) await this.#settle();
    return ended.length > 0 && ended.every(({ status }) => refusesLevel(status));
  }

  async #moveAll(association: Association, level: RetrieveLevel): Promise<RetrieveResult[]> {
    const { studyInstanceUid } = this.#comparison;
    const ended: RetrieveResult[] = [];
    let done = 0;
    for (const selection of selectionsFor(
      studyInstanceUid,
      level,
      this.#missing,
      this.#parts.settings.moveBatch,
    )) {
      throwIfCancelled(this.#signal, 'C-MOVE');
      const result = await this.#move(association, selection, done);
      this.#lastStatus = result.status;
      // These no other level and no other round can mend.
      if (result.status === Status.MoveDestinationUnknown || result.status === Status.NotAuthorized)
        throw new DimseStatusError(association.peer, 'C-MOVE', result.status);
      ended.push(result);
      done += result.subOperations.completed ?? 0;
      if (refusesLevel(result.status)) break;
    }
    return ended;
  }

  async #move(association: Association, selection: RetrieveSelection, done: number): Promise<RetrieveResult> {
    const { raw, settings } = this.#parts;
    const responses = cMove(association, {
      selection,
      moveDestination: raw.node.aeTitle,
      silenceMs: settings.transferTimeoutMs,
      stillMoving: () => this.#grown(),
      signal: this.#signal,
    });
    for (;;) {
      const step = await responses.next();
      if (step.done === true) return step.value;
      this.#progress(done + (step.value.completed ?? 0));
    }
  }

  /** There are archives that answer success first and send then: wait while raw grows, and a little longer. */
  async #settle(): Promise<void> {
    let quietSince = Date.now();
    while (this.#missing.size > 0 && Date.now() - quietSince < this.#parts.settings.settleMs) {
      await pause(RAW_POLL_MS, this.#signal, 'C-MOVE');
      if (await this.#grown()) quietSince = Date.now();
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
    this.#parts.onProgress({
      archive: this.#archive.name,
      studyInstanceUid,
      step: 'retrieve',
      done: Math.min(expected.size, expected.size - this.#missing.size + moved),
      expected: expected.size,
    });
  }
}

/** "I don't do that at this level", or "unable to process", which some archives say for the same (SPEC 2.5). */
function refusesLevel(status: number): boolean {
  return (
    status === Status.IdentifierDoesNotMatchSopClass ||
    status === Status.SopClassNotSupported ||
    (status & 0xf000) === 0xc000
  );
}

const WIDER: Readonly<Record<RetrieveLevel, RetrieveLevel | null>> = {
  IMAGE: 'SERIES',
  SERIES: 'STUDY',
  STUDY: null,
};

/**
 * What to ask for so that everything missing comes, at a level. IMAGE requests are cut by series, because there are
 * archives that move nothing when a list spans two, and to `batch` UIDs each, or to what an element can hold.
 */
export function selectionsFor(
  studyInstanceUid: StudyInstanceUid,
  level: RetrieveLevel,
  missing: StudyContents,
  batch: number,
): RetrieveSelection[] {
  switch (level) {
    case 'STUDY':
      return [{ level, studyInstanceUid }];
    case 'SERIES':
      return chunks<SeriesInstanceUid>([...missing.series.keys()], batch).map((seriesInstanceUids) => ({
        level,
        studyInstanceUid,
        seriesInstanceUids,
      }));
    case 'IMAGE':
      return [...missing.series].flatMap(([seriesInstanceUid, instances]) =>
        chunks([...instances.keys()], batch).map((sopInstanceUids) => ({
          level,
          studyInstanceUid,
          seriesInstanceUid,
          sopInstanceUids,
        })),
      );
  }
}

/** UIDs of 64 characters with their backslashes that fit a UI element's 65,534 bytes (PS3.5 7.1.2). */
const MOST_UIDS = 1000;

/** In runs of at most `size`. */
function chunks<T>(items: readonly T[], size: number): T[][] {
  const step = Math.min(size, MOST_UIDS);
  const runs: T[][] = [];
  for (let at = 0; at < items.length; at += step) runs.push(items.slice(at, at + step));
  return runs;
}

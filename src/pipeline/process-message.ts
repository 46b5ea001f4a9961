import { codeOf, describeError, retryOf } from '../core/errors.js';
import type { SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import type { ImagingMessage } from '../core/message.js';
import type { ArchiveName, Outcome, RefusedInstance, StudyReport } from '../core/outcome.js';
import { throwIfCancelled } from '../core/cancel.js';
import { compareWithRaw, type Comparison } from './compare-with-raw.js';
import { deliverStudy } from './deliver-study.js';
import { findStudy } from './find-study.js';
import type { Archive, JourneyParts } from './parts.js';
import { retrieveStudy, type Retrieval } from './retrieve-study.js';

/**
 * The journey of one message through one archive (SPEC 2): find, compare with raw, retrieve what is missing,
 * deliver. Every trouble with a peer becomes an outcome.
 *
 * @throws CancelledError when `signal` is aborted: the message has no outcome then and is to be worked on again
 */
export async function processMessage(
  message: ImagingMessage,
  archiveName: ArchiveName,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<Outcome> {
  const archive = parts.archives[archiveName];
  if (archive === null)
    return {
      kind: 'missing',
      archive: archiveName,
      studies: [],
      code: 'NO_ARCHIVE',
      reason: 'no secondary archive is configured',
    };
  const studies: StudyReport[] = [];
  try {
    const found = await findStudy(message, archive, parts);
    const absentSeries = new Set(message.seriesInstanceUids);
    for (const { studyInstanceUid } of found) {
      throwIfCancelled(signal, 'journey');
      const journey = new StudyJourney(studyInstanceUid, message, archive, parts, signal);
      studies.push(journey.report); // filled as the journey goes, so that a failure shows how far it came
      await journey.run();
      for (const series of journey.seriesSeen) absentSeries.delete(series);
    }
    return outcomeOf(studies.filter(isListed), absentSeries.size, archive, parts);
  } catch (error) {
    throwIfCancelled(signal, 'journey');
    return {
      kind: 'failed',
      archive: archiveName,
      studies: studies.filter(isListed),
      retry: retryOf(error),
      code: codeOf(error),
      reason: describeError(error),
    };
  }
}

/** A study of which the archive lists no instance that was asked for is as good as not found. */
function isListed(study: StudyReport): boolean {
  return study.images.expected > 0;
}

function outcomeOf(
  studies: readonly StudyReport[],
  absentSeries: number,
  archive: Archive,
  parts: JourneyParts,
): Outcome {
  const ended = { archive: archive.name, studies };
  if (studies.length === 0) return notFound(archive, parts);
  if (absentSeries > 0)
    return {
      kind: 'incomplete',
      ...ended,
      code: 'SERIES_NOT_LISTED',
      reason: `the archive does not list ${absentSeries} of the series that were asked for`,
    };
  const missing = studies.reduce((sum, study) => sum + study.missing.length, 0);
  if (missing > 0)
    return {
      kind: 'incomplete',
      ...ended,
      code: 'INSTANCES_MISSING',
      reason: `${missing} instances that the archive lists did not come to the raw store`,
    };
  const refused = studies.flatMap((study) => study.refused);
  if (refused.length > 0)
    return {
      kind: 'incomplete',
      ...ended,
      code: 'INSTANCES_REFUSED',
      reason: `${refused.length} instances were not delivered; the first one: ${refused[0]?.reason ?? ''}`,
    };
  return { kind: parts.anon === null ? 'retrieved' : 'delivered', ...ended };
}

function notFound(archive: Archive, parts: JourneyParts): Outcome {
  const ended = { archive: archive.name, studies: [] };
  const nowhere = { ...ended, code: 'STUDY_NOT_FOUND' };
  if (archive.name === 'secondary')
    return {
      kind: 'missing',
      ...nowhere,
      reason: 'the study is in neither the primary nor the secondary archive',
    };
  if (parts.archives.secondary === null)
    return {
      kind: 'missing',
      ...nowhere,
      reason: 'the study is not in the primary archive, and there is no secondary',
    };
  return { kind: 'forward', ...nowhere, reason: 'the study is not in the primary archive' };
}

/** A report while it is being written. */
type Writable<T> = { -readonly [K in keyof T]: T[K] extends object ? Writable<T[K]> : T[K] };

/** The steps for one study of a message. */
class StudyJourney {
  readonly report: StudyReport;
  readonly #report: Omit<Writable<StudyReport>, 'missing' | 'refused'> & {
    missing: readonly SopInstanceUid[];
    refused: readonly RefusedInstance[];
  };
  /** Those of the asked series that the archive lists in this study. */
  seriesSeen: readonly string[] = [];
  readonly #message: ImagingMessage;
  readonly #archive: Archive;
  readonly #parts: JourneyParts;
  readonly #signal: AbortSignal;

  constructor(
    studyInstanceUid: StudyInstanceUid,
    message: ImagingMessage,
    archive: Archive,
    parts: JourneyParts,
    signal: AbortSignal,
  ) {
    this.#message = message;
    this.#archive = archive;
    this.#parts = parts;
    this.#signal = signal;
    this.#report = {
      studyInstanceUid,
      images: { expected: 0, alreadyInRaw: 0, retrieved: 0, delivered: 0 },
      missing: [],
      refused: [],
      warnings: 0,
      bytesDelivered: 0,
      durationMs: 0,
    };
    this.report = this.#report;
  }

  async run(): Promise<void> {
    const startedAt = Date.now();
    try {
      const { studyInstanceUid } = this.#report;
      // The second message for a study waits here, and then finds in raw what the first one brought.
      const { comparison, retrieval } = await this.#parts.studyLock.run(studyInstanceUid, async () => {
        const compared = await this.#compare();
        return { comparison: compared, retrieval: await this.#retrieve(compared) };
      });
      if (retrieval.missing.size === 0 && comparison.expected.size > 0)
        await this.#deliver(comparison, retrieval);
    } finally {
      this.#report.durationMs = Date.now() - startedAt;
    }
  }

  async #compare(): Promise<Comparison> {
    const { studyInstanceUid } = this.#report;
    const asked = this.#message.seriesInstanceUids;
    const comparison = await compareWithRaw(studyInstanceUid, asked, this.#archive, this.#parts);
    const { expected, held } = comparison;
    this.seriesSeen = [...expected.series.keys()];
    this.#report.images.expected = expected.size;
    this.#report.images.alreadyInRaw = expected.sharedWith(held).size;
    this.#progress('compare', this.#report.images.alreadyInRaw);
    return comparison;
  }

  async #retrieve(comparison: Comparison): Promise<Retrieval> {
    const retrieval = await retrieveStudy(comparison, this.#archive, this.#parts, this.#signal);
    this.#report.missing = retrieval.missing.sopInstanceUids;
    this.#report.images.retrieved =
      comparison.expected.size - retrieval.missing.size - this.#report.images.alreadyInRaw;
    return retrieval;
  }

  async #deliver(comparison: Comparison, retrieval: Retrieval): Promise<void> {
    const { raw, anon } = this.#parts;
    if (anon === null) return;
    this.#progress('deliver', 0);
    const delivery = await deliverStudy(
      {
        studyInstanceUid: this.#report.studyInstanceUid,
        contents: retrieval.held.sharedWith(comparison.expected),
        wholeStudy: comparison.wholeStudy,
        projectName: this.#message.projectName,
        onDelivered: (done) => {
          this.#report.images.delivered = done;
          this.#progress('deliver', done);
        },
      },
      raw,
      anon,
      this.#parts,
      this.#signal,
    );
    this.#report.refused = [...delivery.refused].map(([sopInstanceUid, reason]) => ({
      sopInstanceUid,
      reason,
    }));
    this.#report.warnings = delivery.warnings;
    this.#report.bytesDelivered = delivery.bytes;
  }

  #progress(step: 'compare' | 'deliver', done: number): void {
    const { studyInstanceUid, images } = this.#report;
    this.#parts.onProgress({
      archive: this.#archive.name,
      studyInstanceUid,
      step,
      done,
      expected: images.expected,
    });
  }
}

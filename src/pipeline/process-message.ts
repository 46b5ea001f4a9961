import type { ArchiveAnswer } from '../core/breaker.js';
import { codeOf, describeError, PixlError, retryOf, TimeoutError } from '../core/errors.js';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import type { StudyRequest } from '../core/message.js';
import type { ArchiveName, Outcome, StudyReport } from '../core/outcome.js';
import { throwIfCancelled } from '../core/cancel.js';
import { AssociationRejectedError, ConnectionError, DimseStatusError } from '../dimse/index.js';
import { compareWithRaw, type Comparison } from './compare-with-raw.js';
import { deliverStudy, type Delivery } from './deliver-study.js';
import { findStudy } from './find-study.js';
import type { Archive, JourneyParts } from './parts.js';
import { OUT_OF_RESOURCES, retrieveStudy, type Retrieval } from './retrieve-study.js';

/**
 * The journey of one message through one archive (SPEC 2): find, compare with raw, retrieve what is missing,
 * deliver. Every trouble with a peer becomes an outcome.
 *
 * @throws CancelledError when `signal` is aborted: the message has no outcome then and is to be worked on again
 */
export async function processMessage(
  message: StudyRequest,
  archiveName: ArchiveName,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<Outcome> {
  const archive = parts.archives[archiveName];
  if (archive === null)
    return {
      kind: 'missing',
      archive: archiveName,
      archiveAnswer: 'ok',
      studies: [],
      code: 'NO_ARCHIVE',
      reason: 'no secondary archive is configured',
    };
  const journeys: StudyJourney[] = [];
  const reports = (): StudyReport[] => journeys.map(({ report }) => report).filter(isListed);
  try {
    const found = await findStudy(message, archive.client, parts.settings.queryTimeoutMs, signal);
    const absentSeries = new Set(message.seriesInstanceUids);
    for (const { studyInstanceUid } of found.matches) {
      throwIfCancelled(signal, 'journey');
      const journey = new StudyJourney(studyInstanceUid, message, archive, parts, signal);
      journeys.push(journey);
      await journey.run();
      for (const series of journey.seriesSeen) absentSeries.delete(series);
    }
    const archiveAnswer = journeys.some(({ congested }) => congested) ? 'congested' : 'ok';
    const lists = {
      unmatched: found.unmatched,
      absentSeries: absentSeries.size,
      unusable:
        found.unusable.reduce((sum, images) => sum + images, 0) +
        journeys.reduce((sum, { unusable }) => sum + unusable, 0),
    };
    return outcomeOf({ archive: archive.name, archiveAnswer, studies: reports() }, lists, parts);
  } catch (error) {
    throwIfCancelled(signal, 'journey');
    return {
      kind: 'failed',
      archive: archiveName,
      archiveAnswer: answerOf(error, archive),
      studies: reports(),
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

/** What an error says of the archive; nothing, when it is about another node, or about this one message. */
function answerOf(error: unknown, archive: Archive): ArchiveAnswer {
  if (!(error instanceof PixlError) || !('peer' in error) || error.peer !== archive.client.name) return 'ok';
  if (error instanceof ConnectionError) return error.whileConnecting ? 'down' : 'ok';
  if (error instanceof TimeoutError)
    return error.operation === 'connect' || error.operation === 'A-ASSOCIATE' ? 'down' : 'ok';
  if (error instanceof AssociationRejectedError) return error.retry === 'later' ? 'rejected' : 'ok';
  return error instanceof DimseStatusError && OUT_OF_RESOURCES.has(error.status) ? 'congested' : 'ok';
}

/** What of the archive's lists is not in the studies. */
interface Lists {
  readonly absentSeries: number;
  readonly unmatched: number;
  readonly unusable: number;
}

function outcomeOf(
  ended: Pick<Outcome, 'archive' | 'archiveAnswer' | 'studies'>,
  { absentSeries, unmatched, unusable }: Lists,
  parts: JourneyParts,
): Outcome {
  const { studies } = ended;
  if (unusable > 0)
    return {
      kind: 'incomplete',
      ...ended,
      code: 'UID_UNUSABLE',
      reason: `the archive lists ${unusable} images under UIDs that can't be passed on`,
    };
  if (studies.length === 0) return notFound(ended, unmatched, parts);
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

function notFound(
  ended: Pick<Outcome, 'archive' | 'archiveAnswer' | 'studies'>,
  unmatched: number,
  parts: JourneyParts,
): Outcome {
  const nowhere = { ...ended, code: 'STUDY_NOT_FOUND' };
  const because = unmatched === 0 ? '' : `: ${unmatched} answers did not match what was asked`;
  if (ended.archive === 'secondary')
    return {
      kind: 'missing',
      ...nowhere,
      reason: `the study is in neither the primary nor the secondary archive${because}`,
    };
  if (parts.archives.secondary === null)
    return {
      kind: 'missing',
      ...nowhere,
      reason: `the study is not in the primary archive, and there is no secondary${because}`,
    };
  return { kind: 'forward', ...nowhere, reason: `the study is not in the primary archive${because}` };
}

/** The steps for one study of a message. */
class StudyJourney {
  /** Those of the asked series that the archive lists in this study. */
  seriesSeen: readonly SeriesInstanceUid[] = [];
  /** See Retrieval. */
  congested = false;
  /** Images that the archive lists under UIDs that can't be passed on. */
  unusable = 0;
  readonly #studyInstanceUid: StudyInstanceUid;
  readonly #message: StudyRequest;
  readonly #archive: Archive;
  readonly #parts: JourneyParts;
  readonly #signal: AbortSignal;
  readonly #startedAt = performance.now();
  #expected = 0;
  #alreadyInRaw = 0;
  #retrieved = 0;
  #delivered = 0;
  #missing: readonly SopInstanceUid[] = [];
  #delivery: Delivery | null = null;
  #durationMs: number | null = null;

  constructor(
    studyInstanceUid: StudyInstanceUid,
    message: StudyRequest,
    archive: Archive,
    parts: JourneyParts,
    signal: AbortSignal,
  ) {
    this.#studyInstanceUid = studyInstanceUid;
    this.#message = message;
    this.#archive = archive;
    this.#parts = parts;
    this.#signal = signal;
  }

  /** How far it came; true at any time, also after a failure. */
  get report(): StudyReport {
    return {
      studyInstanceUid: this.#studyInstanceUid,
      images: {
        expected: this.#expected,
        alreadyInRaw: this.#alreadyInRaw,
        retrieved: this.#retrieved,
        delivered: this.#delivered,
      },
      missing: this.#missing,
      refused: [...(this.#delivery?.refused ?? [])].map(([sopInstanceUid, reason]) => ({
        sopInstanceUid,
        reason,
      })),
      warnings: this.#delivery?.warnings ?? 0,
      bytesDelivered: this.#delivery?.bytes ?? 0,
      durationMs: this.#durationMs ?? this.#elapsedMs(),
    };
  }

  async run(): Promise<void> {
    const { studyLock, observer, metrics } = this.#parts;
    const studyInstanceUid = this.#studyInstanceUid;
    const archive = this.#archive.name;
    try {
      // The second message for a study waits here, and then finds in raw what the first one brought.
      const { comparison, retrieval } = await studyLock.run(studyInstanceUid, async () => {
        const compared = await this.#compare();
        return { comparison: compared, retrieval: await this.#retrieve(compared) };
      });
      this.congested = retrieval.congested;
      if (retrieval.missing.size === 0 && comparison.expected.size > 0 && this.unusable === 0)
        await this.#deliver(comparison, retrieval);
    } finally {
      this.#durationMs = this.#elapsedMs();
      observer.ended({ archive, studyInstanceUid });
      // A C-MOVE goes past us: how many bytes it brought is not known.
      metrics.imagesRetrieved(archive, this.#retrieved, 0);
      metrics.imagesDelivered(archive, this.#delivered, this.#delivery?.bytes ?? 0);
    }
  }

  async #compare(): Promise<Comparison> {
    const asked = this.#message.seriesInstanceUids;
    const comparison = await compareWithRaw(
      this.#studyInstanceUid,
      asked,
      this.#archive,
      this.#parts,
      this.#signal,
    );
    const { expected, held } = comparison;
    this.seriesSeen = [...expected.series.keys()];
    this.unusable = expected.unusable;
    this.#expected = expected.size + expected.unusable;
    this.#alreadyInRaw = expected.sharedWith(held).size;
    this.#missing = expected.lackedBy(held).sopInstanceUids;
    this.#progress('compare', this.#alreadyInRaw);
    return comparison;
  }

  async #retrieve(comparison: Comparison): Promise<Retrieval> {
    return retrieveStudy(comparison, this.#archive, this.#parts, this.#signal, (missing) => {
      this.#missing = missing.sopInstanceUids;
      this.#retrieved = this.#expected - missing.size - this.#alreadyInRaw;
    });
  }

  async #deliver(comparison: Comparison, retrieval: Retrieval): Promise<void> {
    const { raw, anon } = this.#parts;
    if (anon === null) return;
    this.#progress('deliver', 0);
    const contents = retrieval.held.sharedWith(comparison.expected);
    await this.#parts.originals.toBeDelivered(this.#studyInstanceUid, contents.sopInstanceUids, this.#signal);
    const request = {
      studyInstanceUid: this.#studyInstanceUid,
      contents,
      wholeStudy: comparison.wholeStudy,
      projectName: this.#message.projectName,
      onDelivered: (done: number) => {
        this.#delivered = done;
        this.#progress('deliver', done);
      },
    };
    this.#delivery = await deliverStudy(request, raw, anon, this.#parts, this.#signal);
  }

  /** Whole milliseconds, whatever becomes of the machine's clock meanwhile. */
  #elapsedMs(): number {
    return Math.round(performance.now() - this.#startedAt);
  }

  #progress(step: 'compare' | 'deliver', done: number): void {
    this.#parts.observer.progress({
      archive: this.#archive.name,
      studyInstanceUid: this.#studyInstanceUid,
      step,
      done,
      expected: this.#expected,
    });
  }
}

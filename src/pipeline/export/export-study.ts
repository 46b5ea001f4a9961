import { exportOnce, findExportable, type Database } from '../../core/db/index.js';
import {
  AlreadyExportedError,
  ExportIncompleteError,
  NotAnonymisedError,
  NotDeidentifiedError,
  NotInProjectError,
  NotAllAnonymisedError,
  remotePath,
  zipStream,
  type RemotePath,
  type Sent,
  type ZipStream,
} from '../../core/exports/index.js';
import { fileNameOf, studyInstanceUid, type StudyInstanceUid } from '../../core/ids.js';
import type { IdentifierNames, Logger } from '../../core/log.js';
import { OptedOutError, type OptOuts } from '../../core/opt-out.js';
import type { Destination } from '../../destinations/index.js';
import { slugify } from '../../core/slug/slug.js';
import {
  encodeFileMeta,
  findStudies,
  isCompressed,
  type IncomingInstance,
  type NodeClient,
} from '../../dimse/index.js';
import { DeidentifiedCheck } from './deidentified.js';
import { fetchStudy } from './fetch-study.js';
import type { KeyedLock } from '../keyed-lock.js';
import { knownOriginals } from './known-originals.js';
import { listStudy, type StudyContents } from '../study-contents.js';

/** What exports of studies need; times in milliseconds. */
export interface ExportParts {
  readonly anon: NodeClient;
  /** Knows the originals of what it gave away; null = none is configured. */
  readonly raw: NodeClient | null;
  readonly database: Database;
  readonly destination: Destination;
  /** One export at a time of a study in this process; between processes the database decides. */
  readonly lock: KeyedLock;
  readonly settings: {
    readonly queryTimeoutMs: number;
    readonly transferTimeoutMs: number;
    /** Most UIDs in the list of one C-GET. */
    readonly moveBatch: number;
    /** Instances need not say that the identity was removed (PIXL_EXPORT_UNVERIFIED). */
    readonly unverified: boolean;
  };
  /** Of whom nothing may leave. */
  readonly optOuts: OptOuts;
  readonly log: Logger;
  readonly nameOf: IdentifierNames;
}

export interface ExportRequest {
  /** As the anonymising store knows it, or as the cohort does. */
  readonly studyInstanceUid: StudyInstanceUid;
  readonly projectName: string;
  readonly signal: AbortSignal;
  /** So many were delivered: a store that has fewer is not ready with it. Default 1. */
  readonly leastImages?: number;
  /** Images that were sent; counted from 0 again when the upload is tried again. */
  readonly onProgress?: (done: number, expected: number) => void;
}

/** A study in the safe haven. */
export interface ExportedStudy {
  readonly projectSlug: string;
  readonly pseudoStudyUid: StudyInstanceUid;
  readonly path: RemotePath;
  readonly images: number;
  /** Size of the zip. */
  readonly bytes: number;
}

/**
 * Sends a study from the anonymising store to the safe haven: C-GET, each instance as a DICOM file into a zip, the zip onto
 * the wire, all of it as it comes. Only when the zip is there whole, with every instance that the store lists, it gets its
 * name, and together with that the study is noted as exported.
 *
 * Nothing leaves that is not known to be de-identified (docs/adr/0014-exports-fail-closed.md): what can be known without an
 * instance is looked at before anything is sent, and each instance before its name or any byte of it is.
 *
 * @throws OptedOutError, OptOutFileError, NotDeidentifiedError, AlreadyExportedError, NotInProjectError, NotAnonymisedError, ExportIncompleteError,
 *   InvalidValueError (a project that makes no name of a folder); what the database, associations and SafeHaven.put fail with
 */
export async function exportStudy(request: ExportRequest, parts: ExportParts): Promise<ExportedStudy> {
  const projectSlug = slugify(request.projectName);
  remotePath(projectSlug); // a name that can't be a folder is refused before anything is asked
  const known = await requireExportable(parts, projectSlug, request.studyInstanceUid);
  return parts.lock.run(`${projectSlug}/${known}`, async () => {
    // It may have been exported while we waited.
    const pseudoStudyUid = await requireExportable(parts, projectSlug, known);
    return upload(request, projectSlug, pseudoStudyUid, parts);
  });
}

async function requireExportable(
  { database }: ExportParts,
  projectSlug: string,
  studyUid: StudyInstanceUid,
): Promise<StudyInstanceUid> {
  const study = await findExportable(database, projectSlug, studyUid);
  if (study === null) throw new NotInProjectError();
  if (study.isExported) throw new AlreadyExportedError();
  if (study.pseudoStudyUid === null) throw new NotDeidentifiedError('no-pseudonym');
  return studyInstanceUid(study.pseudoStudyUid);
}

/** Asked anew each time: somebody may have opted out since the study was requested, or while it is being sent. */
async function requireNotOptedOut({ optOuts }: ExportParts, mrns: readonly string[]): Promise<void> {
  const optedOut = await optOuts.current();
  if (optedOut.size === 0) return;
  if (mrns.length === 0) throw new OptedOutError('nobody knows whose study it is, who may have opted out');
  if (mrns.some((mrn) => optedOut.has(mrn)))
    throw new OptedOutError('the patient opted out; nothing was exported');
}

/** What is known before an instance is asked for. @throws OptedOutError, NotDeidentifiedError, NotAnonymisedError */
async function examine(
  pseudoStudyUid: StudyInstanceUid,
  parts: ExportParts,
  signal: AbortSignal,
): Promise<{
  readonly contents: StudyContents;
  readonly check: DeidentifiedCheck;
  readonly mrns: readonly string[];
}> {
  const { anon, raw, database, settings, log } = parts;
  const { queryTimeoutMs, unverified } = settings;
  const originals = await knownOriginals(pseudoStudyUid, { database, raw, queryTimeoutMs, log }, signal);
  await requireNotOptedOut(parts, originals.mrns);
  if (originals.studyUids.includes(pseudoStudyUid)) throw new NotDeidentifiedError('pseudonym-is-original');
  if (unverified && !originals.isKnown) throw new NotDeidentifiedError('nothing-known');
  const check = new DeidentifiedCheck(pseudoStudyUid, originals, !unverified);
  const contents = await listStudy(
    anon,
    pseudoStudyUid,
    null,
    queryTimeoutMs,
    signal,
    'names and transfer syntaxes',
  );
  if (contents.size === 0) throw new NotAnonymisedError(anon.name);
  const { matches } = await anon.withQueryRetrieve(
    (association) => findStudies(association, { studyInstanceUid: pseudoStudyUid }, queryTimeoutMs),
    signal,
  );
  check.requireListed(matches, contents);
  return { contents, check, mrns: originals.mrns };
}

async function upload(
  request: ExportRequest,
  projectSlug: string,
  pseudoStudyUid: StudyInstanceUid,
  parts: ExportParts,
): Promise<ExportedStudy> {
  const { database, destination, log } = parts;
  const { leastImages = 1 } = request;
  const path = remotePath(projectSlug, `${pseudoStudyUid}.zip`);
  const { contents, check, mrns } = await examine(pseudoStudyUid, parts, request.signal);
  if (contents.size < leastImages)
    throw new NotAllAnonymisedError(parts.anon.name, contents.size, leastImages);
  const startedMs = performance.now();
  const zips: ZipStream[] = [];
  const open = (): ZipStream['stream'] => {
    const zip = studyZip(pseudoStudyUid, contents, check, request, parts);
    zips.push(zip);
    return zip.stream;
  };
  const place = async (rename: () => Promise<void>, sent: Sent): Promise<void> => {
    await requireNotOptedOut(parts, mrns);
    const file = { ...sent, destination: destination.name, path, images: contents.size };
    const outcome = await exportOnce(database, projectSlug, pseudoStudyUid, file, rename);
    if (outcome === 'already') throw new AlreadyExportedError();
    if (outcome === 'unknown') throw new NotInProjectError();
    if (outcome === 'identified') throw new NotDeidentifiedError('pseudonym-is-original');
  };
  try {
    const bytes = await destination.put(path, open, place, request.signal);
    const ms = Math.round(performance.now() - startedMs);
    log.info({ study: parts.nameOf(pseudoStudyUid), images: contents.size, bytes, ms }, 'study exported');
    return { projectSlug, pseudoStudyUid, path, images: contents.size, bytes };
  } finally {
    await Promise.all(zips.map(({ ended }) => ended));
  }
}

/** The zip of a study, which is fetched while it is read. */
function studyZip(
  pseudoStudyUid: StudyInstanceUid,
  contents: StudyContents,
  check: DeidentifiedCheck,
  request: ExportRequest,
  { anon, settings }: ExportParts,
): ZipStream {
  return zipStream(async (entries, abandoned) => {
    let done = 0;
    request.onProgress?.(done, contents.size);
    const missing = await fetchStudy(
      anon,
      {
        studyInstanceUid: pseudoStudyUid,
        contents,
        batch: settings.moveBatch,
        silenceMs: settings.transferTimeoutMs,
        signal: abandoned,
      },
      async (instance) => {
        const dataSet = check.passed(instance);
        // The zip names an entry before it asks for its content: before that the head has to be known.
        const first = await dataSet.next();
        try {
          await entries.add(fileName(instance), dicomFile(instance, first, dataSet), {
            compress: !isCompressed(instance.transferSyntax),
          });
        } finally {
          await dataSet.return();
        }
        request.onProgress?.((done += 1), contents.size);
      },
    );
    if (missing.length > 0) throw new ExportIncompleteError(anon.name, contents.size, missing);
  });
}

/** The data set's bytes as they came, behind what makes a file of them (PS3.10 7). */
async function* dicomFile(
  instance: IncomingInstance,
  first: IteratorResult<Buffer, void>,
  rest: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  yield encodeFileMeta(instance);
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

/** One name, whatever a store takes for a UID. */
function fileName({ sopInstanceUid }: IncomingInstance): string {
  return `${fileNameOf(sopInstanceUid)}.dcm`;
}

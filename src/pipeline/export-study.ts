import { exportOnce, findExportable, type Database } from '../core/db/index.js';
import {
  AlreadyExportedError,
  ExportIncompleteError,
  NotAnonymisedError,
  NotInProjectError,
  remotePath,
  withSafeHaven,
  zipStream,
  type FtpsSettings,
  type RemotePath,
  type ZipStream,
} from '../core/exports/index.js';
import { studyInstanceUid, type StudyInstanceUid } from '../core/ids.js';
import type { IdentifierNames, Logger } from '../core/log.js';
import { slugify } from '../core/slug/slug.js';
import { encodeFileMeta, isCompressed, type IncomingInstance, type NodeClient } from '../dimse/index.js';
import { fetchStudy } from './fetch-study.js';
import type { KeyedLock } from './keyed-lock.js';
import { listStudy, type StudyContents } from './study-contents.js';

/** What exports of studies need; times in milliseconds. */
export interface ExportParts {
  readonly anon: NodeClient;
  readonly database: Database;
  readonly ftps: FtpsSettings;
  /** One export at a time of a study in this process; between processes the database decides. */
  readonly lock: KeyedLock;
  readonly settings: {
    readonly queryTimeoutMs: number;
    readonly transferTimeoutMs: number;
    /** Most UIDs in the list of one C-GET. */
    readonly moveBatch: number;
  };
  readonly log: Logger;
  readonly nameOf: IdentifierNames;
}

export interface ExportRequest {
  /** As the anonymising store knows it, or as the cohort does. */
  readonly studyInstanceUid: StudyInstanceUid;
  readonly projectName: string;
  readonly signal: AbortSignal;
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
 * @throws AlreadyExportedError, NotInProjectError, NotAnonymisedError, ExportIncompleteError, InvalidValueError (a project
 *   that makes no name of a folder); what the database, associations and SafeHaven.put fail with
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
  return studyInstanceUid(study.pseudoStudyUid);
}

async function upload(
  request: ExportRequest,
  projectSlug: string,
  pseudoStudyUid: StudyInstanceUid,
  parts: ExportParts,
): Promise<ExportedStudy> {
  const { anon, database, ftps, settings, log } = parts;
  const path = remotePath(projectSlug, `${pseudoStudyUid}.zip`);
  const contents = await listStudy(anon, pseudoStudyUid, null, settings.queryTimeoutMs, request.signal);
  if (contents.size === 0) throw new NotAnonymisedError(anon.name);
  const startedMs = performance.now();
  const zips: ZipStream[] = [];
  const open = (): ZipStream['stream'] => {
    const zip = studyZip(pseudoStudyUid, contents, request, parts);
    zips.push(zip);
    return zip.stream;
  };
  const place = async (rename: () => Promise<void>): Promise<void> => {
    const outcome = await exportOnce(database, projectSlug, pseudoStudyUid, rename);
    if (outcome === 'already') throw new AlreadyExportedError();
    if (outcome === 'unknown') throw new NotInProjectError();
  };
  try {
    const bytes = await withSafeHaven(ftps, { log, signal: request.signal }, (haven) =>
      haven.put(path, open, undefined, place),
    );
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
        await entries.add(`${instance.sopInstanceUid}.dcm`, dicomFile(instance), {
          compress: !isCompressed(instance.transferSyntax),
        });
        request.onProgress?.((done += 1), contents.size);
      },
    );
    if (missing.length > 0) throw new ExportIncompleteError(anon.name, contents.size, missing);
  });
}

/** The data set's bytes as they came, behind what makes a file of them (PS3.10 7). */
async function* dicomFile(instance: IncomingInstance): AsyncGenerator<Buffer, void, undefined> {
  yield encodeFileMeta(instance);
  yield* instance.dataSet;
}

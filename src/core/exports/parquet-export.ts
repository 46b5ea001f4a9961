import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { omopSource } from '../cohort/omop-source.js';
import type { ExportedImage } from '../db/index.js';
import { InvalidValueError, PixlError } from '../errors.js';
import { slugify } from '../slug/slug.js';
import { parseIsoTimestamp, type Timestamp } from '../timestamp.js';
import { ExportFilesError, ExtractNotFoundError } from './export-errors.js';
import { copyFiles, digestOf, filesOf, flushFolder, type FolderFile } from './folder-files.js';
import type { SafeHaven } from './ftps.js';
import { requirePseudonyms, type Identifies } from './named-studies.js';
import { uploadExtract, type UploadProgress, type UploadResult } from './upload-extract.js';
import { writeParquet, type ParquetColumn, type ParquetRecord } from './parquet-file.js';
import { LINKER_COLUMNS, RadiologyLinker, type LinkerCounts } from './radiology-linker.js';

/** The columns of PIXL's EMAP extracts. */
export const RADIOLOGY_COLUMNS: readonly ParquetColumn[] = [
  { name: 'image_identifier', type: 'string' },
  { name: 'procedure_occurrence_id', type: 'int64' },
  { name: 'image_report', type: 'string' },
];

export interface CopyResult {
  readonly files: number;
  readonly bytes: number;
  /** false = the same files were there already. */
  readonly copied: boolean;
}

/** A slug is a folder's name here and in the safe haven; file systems allow 255 bytes, temporary names need some. */
const MAX_SLUG_LENGTH = 200;
/** How often two writers may take the place from each other. */
const MOST_SWAPS = 10;

/**
 * One extract of a project in the folder of exports, as PIXL lays it out:
 *
 *     <exportDir>/<project>/all_extracts/<time>/omop/public/…
 *     <exportDir>/<project>/all_extracts/<time>/radiology/IMAGE_LINKER.parquet, radiology.parquet
 *     <exportDir>/<project>/latest -> all_extracts/<time>
 *
 * Whatever is put there is made in a folder `.partial-…` beside the projects and then renamed, so that nobody ever sees
 * a part of it.
 */
export class ParquetExport {
  readonly projectSlug: string;
  readonly extractTimeSlug: string;
  /** `<exportDir>/<project>/all_extracts/<time>` */
  readonly folder: string;
  readonly #exportDir: string;

  /**
   * @param extractDatetime ISO 8601 as the extract's summary has it (a blank for the T will do), or a Date (then in UTC)
   * @throws InvalidValueError when nothing, or more than a folder's name may be, is left of the project's name as a slug,
   *   or when the time is none
   */
  constructor(projectNameRaw: string, extractDatetime: string | Date | Timestamp, exportDir: string) {
    this.projectSlug = slugOf('project_name', projectNameRaw);
    this.extractTimeSlug = slugOf('extract_datetime', isoformat(extractDatetime));
    this.#exportDir = exportDir;
    this.folder = join(exportDir, this.projectSlug, 'all_extracts', this.extractTimeSlug);
  }

  /**
   * Copies the public part of an OMOP-ES extract, and makes this the `latest` extract. Where another public part is in
   * that place it is taken out whole before the new one comes in.
   *
   * @throws ExportFilesError
   */
  async copyToExports(extractFolder: string): Promise<CopyResult> {
    const source = join(extractFolder, 'public');
    return this.#withPartial(async (partial) => {
      const files = await foundFiles(source, 'public');
      if (files.length === 0) throw new ExportFilesError('public', 'no files in it');
      const target = join(this.folder, 'omop', 'public');
      const isThereAlready = await holds(target, source, files);
      if (!isThereAlready) {
        const copy = join(partial, 'public');
        await copyFiles(source, files, copy);
        await this.#place(copy, target, partial);
      }
      await this.#makeLatest(partial);
      return { files: files.length, bytes: sum(files), copied: !isThereAlready };
    });
  }

  /**
   * Writes `radiology.parquet`, in place of one that is there.
   *
   * @param columns default: those of PIXL's EMAP extracts
   * @returns the number of rows
   * @throws ExportRowError, ExportFilesError
   */
  exportRadiology(
    rows: Iterable<ParquetRecord> | AsyncIterable<ParquetRecord>,
    columns: readonly ParquetColumn[] = RADIOLOGY_COLUMNS,
  ): Promise<number> {
    return this.#writeRadiology('radiology.parquet', columns, rows);
  }

  /**
   * Writes `IMAGE_LINKER.parquet`: which procedure of the extract is which study in the safe haven.
   *
   * @param images the project's studies that are exported
   * @param onProgress told now and then how many of the extract's procedures are read
   * @param isOptedOut whether nothing of a patient may leave; procedures of theirs are not linked
   * @throws NotDeidentifiedError when one of them has no name but the one that the archives know; CohortFileError,
   *   ExportFilesError
   */
  async exportRadiologyLinker(
    extractFolder: string,
    images: AsyncIterable<ExportedImage>,
    onProgress: (procedures: number) => void = () => undefined,
    isOptedOut?: (mrn: string) => boolean,
  ): Promise<LinkerCounts> {
    const linker = new RadiologyLinker(isOptedOut);
    try {
      await linker.read(omopSource(extractFolder), images, onProgress);
      await this.#writeRadiology('IMAGE_LINKER.parquet', LINKER_COLUMNS, linker.rows());
      return { ...linker.counts };
    } finally {
      linker.close();
    }
  }

  /** What of this extract is there, relative to `folder`. @throws ExtractNotFoundError when nothing is */
  files(): Promise<FolderFile[]> {
    const name = relative(this.#exportDir, this.folder);
    return inExports(name, async () => {
      if (!(await isThere(this.folder))) throw new ExtractNotFoundError(name);
      return filesOf(this.folder, name);
    });
  }

  /** Whether a public part stands in the exports. */
  hasPublicPart(): Promise<boolean> {
    return isThere(join(this.folder, 'omop', 'public'));
  }

  /**
   * Looks whether the tables that name studies know them by nothing but pseudonyms. To be called before `upload`.
   *
   * @param identifies whether one of some names is one that an archive knows; null = nobody can tell
   * @throws NotDeidentifiedError, ExtractNotFoundError, ExportFilesError
   */
  async requirePseudonyms(identifies: Identifies | null): Promise<void> {
    await requirePseudonyms(this.folder, await this.files(), identifies);
  }

  /**
   * Sends the extract's parquet files to the safe haven, to `<project>/<time>/parquet/…`, in place of those that are there.
   *
   * @throws ExtractNotFoundError, ExportFilesError; as SafeHaven.put
   */
  async upload(haven: SafeHaven, onProgress?: (progress: UploadProgress) => void): Promise<UploadResult> {
    const to = [this.projectSlug, this.extractTimeSlug, 'parquet'] as const;
    return uploadExtract(haven, this.folder, await this.files(), to, onProgress);
  }

  async #writeRadiology(
    name: string,
    columns: readonly ParquetColumn[],
    rows: Iterable<ParquetRecord> | AsyncIterable<ParquetRecord>,
  ): Promise<number> {
    return this.#withPartial(async (partial) => {
      const file = join(partial, name);
      const count = await writeParquet(file, columns, rows);
      const folder = join(this.folder, 'radiology');
      await mkdir(folder, { recursive: true });
      await rename(file, join(folder, name));
      await flushFolder(folder);
      return count;
    });
  }

  /** Gives a folder its name. One that is there already cannot be replaced in one step: it is moved away first. */
  async #place(from: string, to: string, partial: string): Promise<void> {
    await mkdir(join(to, '..'), { recursive: true });
    for (let swap = 0; swap < MOST_SWAPS; swap += 1) {
      if (await renamed(from, to)) {
        await flushFolder(join(to, '..'));
        return;
      }
      await renamed(to, join(partial, `before-${swap}`));
    }
    throw new ExportFilesError(relative(this.#exportDir, to), 'somebody else keeps writing there');
  }

  async #makeLatest(partial: string): Promise<void> {
    const link = join(partial, 'latest');
    await symlink(join('all_extracts', this.extractTimeSlug), link);
    const project = join(this.#exportDir, this.projectSlug);
    await rename(link, join(project, 'latest'));
    await flushFolder(project);
  }

  /** A folder to make things in; gone afterwards. */
  async #withPartial<T>(work: (partial: string) => Promise<T>): Promise<T> {
    return inExports(relative(this.#exportDir, this.folder), async () => {
      const partial = join(this.#exportDir, `.partial-${randomBytes(8).toString('hex')}`);
      await mkdir(this.#exportDir, { recursive: true });
      await mkdir(partial, { mode: 0o700 });
      try {
        return await work(partial);
      } finally {
        await rm(partial, { recursive: true, force: true });
      }
    });
  }
}

function slugOf(field: string, text: string): string {
  const slug = slugify(text);
  if (slug === '') throw new InvalidValueError(field, 'no letter or digit is left of it as a slug');
  if (slug.length > MAX_SLUG_LENGTH)
    throw new InvalidValueError(field, `longer than ${MAX_SLUG_LENGTH} characters as a slug`);
  return slug;
}

/** As Python's `datetime.isoformat()`. */
function isoformat(time: string | Date | Timestamp): string {
  if (time instanceof Date)
    return Number.isNaN(time.getTime()) ? isoformat('') : isoformat(time.toISOString().slice(0, -1));
  if (typeof time !== 'string') return time.text;
  const timestamp = parseIsoTimestamp(time.trim());
  if (timestamp === undefined) throw new InvalidValueError('extract_datetime', 'not an ISO 8601 date-time');
  return timestamp.text;
}

async function isThere(folder: string): Promise<boolean> {
  try {
    return (await stat(folder)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function foundFiles(folder: string, name: string): Promise<FolderFile[]> {
  try {
    return await filesOf(folder, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new ExportFilesError(name, 'there is no such folder', error);
    throw error;
  }
}

/** @returns false when something that is not empty has the name, or `from` has gone. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOENT') return false;
    throw error;
  }
}

/** Whether `folder` holds these files of `source`, byte for byte, and no others. */
async function holds(folder: string, source: string, files: readonly FolderFile[]): Promise<boolean> {
  if (!(await isThere(folder))) return false;
  try {
    const there = await filesOf(folder, 'public');
    if (JSON.stringify(there) !== JSON.stringify(files)) return false;
    return (await digestOf(folder, files)) === (await digestOf(source, files));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false; // taken away meanwhile
    throw error;
  }
}

/** Names what failed: a full disk or a missing right has no path of its own in an error's text. */
async function inExports<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof PixlError || typeof code !== 'string') throw error;
    throw new ExportFilesError(name, `can't be read or written (${code})`, error);
  }
}

function sum(files: readonly FolderFile[]): number {
  return files.reduce((bytes, file) => bytes + file.bytes, 0);
}

import { join } from 'node:path';
import { CohortFileError } from '../cohort/errors.js';
import { parquetColumns, parquetRows } from '../cohort/parquet-rows.js';
import { NotDeidentifiedError } from './errors.js';
import type { FolderFile } from './folder-files.js';

/** Whether one of these names is one that an archive knows: a study UID, an MRN or an accession number. */
export type Identifies = (names: readonly string[]) => Promise<boolean>;

/** The tables of an extract that name studies, and how. */
const NAMING = [
  { path: 'radiology/IMAGE_LINKER.parquet', column: 'pseudo_study_uid', isRequired: true },
  { path: 'radiology/radiology.parquet', column: 'image_identifier', isRequired: false },
] as const;

/** Names that are looked up with one statement. */
const BATCH = 20_000;

/**
 * Looks at the names of studies in the tables that are about to leave, whoever made them.
 *
 * @param identifies null = there is nothing to compare the names with
 * @throws NotDeidentifiedError when a name is one that an archive knows, is none, or can't be looked at
 */
export async function requirePseudonyms(
  folder: string,
  files: readonly FolderFile[],
  identifies: Identifies | null,
): Promise<void> {
  for (const { path, column, isRequired } of NAMING) {
    if (!files.some((file) => file.path === path)) continue;
    if (identifies === null) throw new NotDeidentifiedError('nothing-known', path);
    let names: string[] = [];
    const look = async (): Promise<void> => {
      if (names.length > 0 && (await identifies(names)))
        throw new NotDeidentifiedError('names-a-study', path);
      names = [];
    };
    for await (const name of namesIn(join(folder, path), path, { column, isRequired })) {
      if (name === '' && isRequired) throw new NotDeidentifiedError('no-pseudonym', path);
      if (name !== '') names.push(name);
      if (names.length === BATCH) await look();
    }
    await look();
  }
}

/** Without blanks around them; empty where there is none. */
async function* namesIn(
  file: string,
  path: string,
  { column: name, isRequired }: Pick<(typeof NAMING)[number], 'column' | 'isRequired'>,
): AsyncGenerator<string, void, undefined> {
  try {
    // Who writes a radiology table with columns of their own names no study in it.
    if (!isRequired && !(await parquetColumns(file, path)).includes(name)) return;
    for await (const rows of parquetRows(file, path, [{ name, kind: 'text' }]))
      for (const { cells } of rows) {
        const [cell = null] = cells;
        if (cell !== null && typeof cell !== 'string') throw new NotDeidentifiedError('unreadable', path);
        yield (cell ?? '').trim();
      }
  } catch (error) {
    if (error instanceof CohortFileError) throw new NotDeidentifiedError('unreadable', path, error);
    throw error;
  }
}

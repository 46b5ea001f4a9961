import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { InvalidValueError } from '../errors.js';
import { ExportFilesError } from './export-errors.js';
import type { FolderFile } from './folder-files.js';
import type { SafeHaven } from './ftps.js';
import { remotePath, type RemotePath } from './remote-path.js';

/** A file that is in the safe haven, whole. */
export interface UploadedFile {
  readonly path: RemotePath;
  readonly bytes: number;
}

export interface UploadResult {
  readonly files: readonly UploadedFile[];
  readonly bytes: number;
  /** Files of the extract that are no parquet; they stay where they are. */
  readonly leftOut: readonly string[];
}

export interface UploadProgress {
  readonly files: number;
  readonly filesDone: number;
  readonly bytes: number;
  readonly bytesDone: number;
}

/** Only these leave the hospital, as with PIXL: what else lies in an extract was meant for somebody here. */
const EXPORTED = /\.parquet$/;

/**
 * Puts an extract's parquet files into the safe haven, one after the other, each whole or not at all, in place of those
 * that are there. All names are looked at before the first is sent.
 *
 * @param to the remote folder
 * @throws ExportFilesError when there is nothing to send or a name can't be one in the safe haven; as SafeHaven.put
 */
export async function uploadExtract(
  haven: SafeHaven,
  folder: string,
  files: readonly FolderFile[],
  to: readonly [string, ...string[]],
  onProgress: (progress: UploadProgress) => void = () => undefined,
): Promise<UploadResult> {
  const exported = files.filter(({ path }) => EXPORTED.test(path));
  if (exported.length === 0) throw new ExportFilesError(to.join('/'), 'no parquet files in it');
  const remote = exported.map(({ path }) => remotePathOf(to, path));
  const bytes = exported.reduce((sum, file) => sum + file.bytes, 0);
  const uploaded: UploadedFile[] = [];
  let before = 0;
  for (const [index, { path }] of exported.entries()) {
    const target = remote[index];
    if (target === undefined) continue;
    let sent = 0;
    const tell = (): void =>
      onProgress({ files: exported.length, filesDone: uploaded.length, bytes, bytesDone: before + sent });
    const size = await haven.put(
      target,
      () => {
        sent = 0; // the connection may have broken
        return createReadStream(join(folder, path));
      },
      (more) => {
        sent += more;
        tell();
      },
    );
    uploaded.push({ path: target, bytes: size });
    before += size;
    sent = 0;
    tell();
  }
  const leftOut = files.filter((file) => !exported.includes(file)).map(({ path }) => path);
  return { files: uploaded, bytes: before, leftOut };
}

function remotePathOf(to: readonly [string, ...string[]], path: string): RemotePath {
  try {
    return remotePath(...to, ...path.split('/'));
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new ExportFilesError(path, `can't have that name in the safe haven: ${error.problem}`, error);
  }
}

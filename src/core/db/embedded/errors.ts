import { PixlError } from '../../errors.js';

/** Another process works on the folder of the embedded database; two would destroy it. */
export class EmbeddedFolderInUseError extends PixlError {
  readonly code = 'EMBEDDED_FOLDER_IN_USE';
  readonly retry = 'later';
  readonly folder: string;

  constructor(folder: string) {
    super(`embedded database: another process has ${folder} open`);
    this.folder = folder;
  }
}

/** The embedded database can't be made or opened. */
export class EmbeddedDatabaseError extends PixlError {
  readonly code = 'EMBEDDED_DATABASE';
  readonly retry = 'never';
  readonly folder: string;

  constructor(folder: string, problem: string, cause?: unknown) {
    super(`embedded database in ${folder}: ${problem}`, { cause });
    this.folder = folder;
  }
}

import { PixlError } from '../core/errors.js';

/** What is wrong in a file, and where. */
export interface FileFault {
  readonly file: string;
  /** From 1; null when it is about the file as a whole. */
  readonly line: number | null;
  /** As a path: `allowed_manufacturers[1].regex`; empty for the file as a whole. */
  readonly key: string;
  readonly problem: string;
}

/** Project files that can't be used. All that is wrong in them is said at once. */
export class ProjectFileError extends PixlError {
  readonly code = 'PROJECT_FILE';
  readonly retry = 'never';
  readonly faults: readonly FileFault[];

  constructor(faults: readonly FileFault[]) {
    super(faults.map(faultText).join('\n'));
    this.faults = faults;
  }
}

export function faultText({ file, line, key, problem }: FileFault): string {
  const place = line === null ? file : `${file}:${line}`;
  return key === '' ? `${place}: ${problem}` : `${place}: ${key}: ${problem}`;
}

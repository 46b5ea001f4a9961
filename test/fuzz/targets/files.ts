import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '../../support/temp-dir.js';

let folder: string | undefined;

/** The input as a file, where the last one was. */
export function asFile(input: Buffer, name: string): string {
  folder ??= tempDir('fuzz').path;
  const path = join(folder, name);
  writeFileSync(path, input);
  return path;
}

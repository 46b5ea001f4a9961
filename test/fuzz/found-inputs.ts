import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fixture } from '../support/fixtures.js';

/** An input that once did harm. */
export interface FoundInput {
  readonly name: string;
  readonly bytes: Buffer;
}

/** fixtures/fuzz/<target>: what was found, gzipped when it is long. */
export function foundInputs(target: string): FoundInput[] {
  const folder = join(fixture('fuzz'), target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .toSorted()
    .map((name) => {
      const bytes = readFileSync(join(folder, name));
      return { name, bytes: name.endsWith('.gz') ? gunzipSync(bytes) : bytes };
    });
}

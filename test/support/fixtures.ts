import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('no package.json above the tests');
    folder = parent;
  }
  return folder;
}

/** The project's folder, wherever the compiled tests lie. */
export const projectRoot = findRoot();

/** The path of a file in fixtures/. */
export function fixture(name: string): string {
  return join(projectRoot, 'fixtures', name);
}

/** A text fixture with its `@NAMES@` filled in; a name that is left over is a mistake. */
export function fillFixture(name: string, values: Readonly<Record<string, string>>): string {
  return readFileSync(fixture(name), 'utf8').replace(/@([A-Z_]+)@/g, (whole, key: string) => {
    const value = values[key];
    // A comment may speak of @NAMES@.
    if (value === undefined && key !== 'NAMES') throw new Error(`${name}: nothing given for ${whole}`);
    return value ?? whole;
  });
}

import { readFileSync } from 'node:fs';

/** The version of package.json. */
export function version(): string {
  // From dist/bin/ the package is two folders up.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

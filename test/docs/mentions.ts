import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { projectRoot } from '../support/fixtures.js';

/** A page of ours, by its path in the project. */
export function page(path: string): string {
  return readFileSync(join(projectRoot, path), 'utf8');
}

/** The README, the changelog and every page below docs/, by their paths in the project. */
export function pages(): string[] {
  const docs = readdirSync(join(projectRoot, 'docs'), { recursive: true, encoding: 'utf8' });
  return [
    'README.md',
    'CHANGELOG.md',
    ...docs.filter((file) => file.endsWith('.md')).map((file) => join('docs', file)),
  ];
}

/** The files of the project that a text names in code spans: tests, sources, scripts, what is deployed. */
export function filesNamed(text: string): string[] {
  return [...text.matchAll(/`((?:test|src|bin|scripts|deploy|bench|fixtures|docs)\/[\w./-]*\.\w+)`/g)].map(
    ([, path]) => path!,
  );
}

/** The words in capitals that a text has in code spans: error codes and variables. */
export function capitalsNamed(text: string): string[] {
  return [...text.matchAll(/`([A-Z][A-Z0-9_]{2,})`/g)].map(([, word]) => word!);
}

/** Every variable that there is. */
export function variables(): Set<string> {
  return new Set([...page('.env.sample').matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name!));
}

/** Every variable that deploy/compose.yaml asks for, which may be Docker's alone. */
export function composeVariables(): Set<string> {
  return new Set([...page('deploy/compose.yaml').matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name!));
}

/** Every code of docs/errors.md and of docs/http-api.md. */
export function errorCodes(): Set<string> {
  const rows = page('docs/errors.md') + page('docs/http-api.md');
  return new Set([...rows.matchAll(/^\| `([A-Z_]+)` /gm)].map(([, code]) => code!));
}

/** Where the links of a page lead that stay in the project: the file, and the heading in it. */
export function linksOf(
  path: string,
): { readonly link: string; readonly file: string; readonly anchor: string | null }[] {
  return [...page(path).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [file, anchor] = link.split('#') as [string, string?];
      const target = file === '' ? path : relative(projectRoot, join(projectRoot, dirname(path), file));
      return { link, file: target, anchor: anchor ?? null };
    });
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(path: string): string[] {
  return [...page(path).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

export function exists(path: string): boolean {
  return existsSync(join(projectRoot, path));
}

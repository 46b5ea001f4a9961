import { SECTIONS, type Section, type Variable } from './variable.js';
import { allVariables } from './variables.js';

/** The text of `.env.sample`: every variable with a sentence and its default. Written by scripts/write-config-docs.mjs. */
export function renderEnvSample(): string {
  const head = [
    '# What pixl-imaging reads from its environment, and from a file .env in its working directory (the',
    '# environment wins). Nothing after = means not set. docs/configuration.md says more.',
  ];
  const sections = bySection().map(([section, variables]) =>
    [`# ---- ${section} ----`, ...variables.map(sampleEntry)].join('\n\n'),
  );
  return [head.join('\n'), ...sections].join('\n\n') + '\n';
}

/** The text of docs/configuration.md. Written by scripts/write-config-docs.mjs. */
export function renderConfigurationPage(): string {
  const sections = bySection().map(([section, variables]) =>
    [`## ${section}`, table(variables.map(tableRow))].join('\n\n'),
  );
  return [PAGE_HEAD, ...sections].join('\n\n') + '\n';
}

const PAGE_HEAD = `# Configuration

This page and \`.env.sample\` are written by \`node scripts/write-config-docs.mjs\` from the table in
\`src/core/config/variables.ts\`; a test fails when they differ from it.

Everything is set by environment variables. A file \`.env\` in the working directory is read too; the environment
wins. An empty variable counts as one that is not set. Blanks around a value are ignored, but for passwords and
tokens. A \`.env\` of PIXL works as it is.

All faults are reported together, each with its name, what was found and what is expected; passwords, tokens and
URLs with passwords are never shown. A wrong value stops every command; a missing one only those that need it.
An archive of which only a part is set counts as a mistake, not as no archive.

When the secondary archive has the AE title, host and port of the primary, there is no secondary archive: what
one search did not find, the same search in the same place would not find either.

There is no database when none of \`PIXL_DB_HOST\`, \`_PORT\`, \`_NAME\`, \`_USER\` and \`_PASSWORD\` is set; as soon as one
is, the others have their defaults.`;

function bySection(): [Section, Variable<unknown>[]][] {
  return SECTIONS.map((section) => [
    section,
    allVariables.filter((variable) => variable.section === section),
  ]);
}

function sampleEntry(variable: Variable<unknown>): string {
  const { name, kind, meaning, defaultText, blankInSample } = variable;
  const value = blankInSample ? '' : (defaultText ?? '');
  const fallback = blankInSample && defaultText !== null ? ` Default: ${defaultText}.` : '';
  const comment = `${meaning} Expected: ${kind.expected}.${fallback}`;
  return `# ${comment}\n${name}=${value}`;
}

function tableRow(variable: Variable<unknown>): string[] {
  const { name, kind, meaning, defaultText, secret } = variable;
  const notes = secret ? ' Never shown.' : '';
  return [`\`${name}\``, defaultText === null ? '–' : `\`${defaultText}\``, kind.expected, meaning + notes];
}

/** Laid out as prettier would, so that formatting the repository changes nothing. */
function table(rows: readonly string[][]): string {
  const all = [['Variable', 'Default', 'Expected', 'Meaning'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = all;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

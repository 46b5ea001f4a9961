import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tableOf, TROUBLES } from '../peers/troubles/troubles.js';
import { projectRoot } from '../support/fixtures.js';

const page = readFileSync(join(projectRoot, 'docs', 'errors.md'), 'utf8');

interface Entry {
  readonly code: string;
  /** null where an expression decides, so that the page can say anything but has to say it. */
  readonly retry: string | null;
}

/** The error classes and the codes of outcomes, as the source spells them. */
function entriesInSource(): Entry[] {
  const folder = join(projectRoot, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => entriesIn(readFileSync(join(folder, file), 'utf8')));
}

function entriesIn(text: string): Entry[] {
  const classes = [...text.matchAll(/readonly code = '([^']+)'([\s\S]*?)^}/gm)].map(([, code, rest]) => {
    const fixed = /readonly retry = '(later|never)'/.exec(rest!)?.[1];
    return { code: code!, retry: fixed ?? 'depends' };
  });
  const outcomes = [...text.matchAll(/\bcode: '([A-Z][A-Z_]*)'/g)].map(([, code]) => ({
    code: code!,
    retry: null,
  }));
  return [...classes, ...outcomes];
}

/** The rows of the page: code, tried again, meaning, what to do. */
function rowsOfPage(): string[][] {
  return rowsIn(page).filter(([first]) => first?.startsWith('`') === true);
}

function rowsIn(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const codeOf = (row: readonly string[]): string => row[0]!.replaceAll('`', '');

describe('docs/errors.md', () => {
  it('lists every code of the source, once, and no other', () => {
    const codes = [...new Set(entriesInSource().map(({ code }) => code))].sort();
    expect(codes).to.include.members(['TIMEOUT', 'DIMSE_STATUS', 'QUEUE_MISMATCH', 'INSTANCES_MISSING']);
    expect(rowsOfPage().map(codeOf).sort()).to.deep.equal(codes);
  });

  it('says of every code whether it is tried again, as the class does', () => {
    const said = new Map(rowsOfPage().map((row) => [codeOf(row), row[1]]));
    for (const { code, retry } of entriesInSource())
      if (retry === null) expect(said.get(code), code).to.be.oneOf(['later', 'never']);
      else expect(said.get(code), code).to.equal(retry);
  });

  it('says of every code what it means and what to do', () => {
    for (const row of rowsOfPage()) {
      expect(row, codeOf(row)).to.have.length(4);
      for (const cell of row) expect(cell, codeOf(row)).not.to.equal('');
    }
  });

  it('has the table of statuses and network errors that the tests go through', () => {
    const section = /^## Statuses and network errors\n([\s\S]*?)^## /m.exec(page)?.[1] ?? '';
    const [, , ...rows] = rowsIn(section);
    expect(rows).to.deep.equal(tableOf(TROUBLES));
    expect(TROUBLES.length).to.be.at.least(25);
  });

  it('belongs to classes of which no two share a code', () => {
    const codes = entriesInSource()
      .filter(({ retry }) => retry !== null)
      .map(({ code }) => code);
    expect(codes).to.deep.equal([...new Set(codes)]);
  });

  it('is compared by patterns that find every class of our errors', () => {
    const folder = join(projectRoot, 'src');
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(folder, file), 'utf8'));
    const classes = sources.flatMap((text) => [
      ...text.matchAll(/^export class (\w+) extends (?:PixlError|BrokerError)\b/gm),
    ]);
    const codes = entriesInSource().filter(({ retry }) => retry !== null);
    expect(codes).to.have.length(classes.length);
  });
});

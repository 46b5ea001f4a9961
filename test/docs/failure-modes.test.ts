import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/fixtures.js';
import { filesNamed, page } from './mentions.js';

const ITEMS = ['Seen', 'Safe', 'Comes back', 'Do', 'Shown by'];

interface Section {
  readonly title: string;
  readonly items: readonly { readonly name: string; readonly text: string }[];
}

/** The ways to die: what stands below the headings of the third rank. */
function sections(): Section[] {
  return page('docs/failure-modes.md')
    .split(/^### /m)
    .slice(1)
    .map((text) => {
      const [title, ...rest] = text.split('\n');
      const body = rest.join('\n').split(/^## /m)[0]!;
      const items = [...body.matchAll(/^- \*\*([^*]+):\*\* ([\s\S]*?)(?=^- \*\*|$(?![\s\S]))/gm)];
      return { title: title!, items: items.map(([, name, item]) => ({ name: name!, text: item!.trim() })) };
    });
}

/** All sources in one text. */
function sources(): string {
  return ['src', 'bin']
    .flatMap((folder) => {
      const files = readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' });
      return files.filter((file) => file.endsWith('.ts')).map((file) => join(projectRoot, folder, file));
    })
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
}

describe('docs/failure-modes.md', () => {
  it('says of each way to die what is seen, safe, comes back, is to be done, and what shows it', () => {
    expect(sections()).to.have.length.above(40);
    for (const { title, items } of sections()) {
      expect(
        items.map(({ name }) => name),
        title,
      ).to.deep.equal(ITEMS);
      for (const { text } of items) expect(text, title).not.to.equal('');
    }
  });

  it('names a test for each, or says that there is none', () => {
    for (const { title, items } of sections()) {
      const { text } = items.at(-1)!;
      const tests = filesNamed(text).filter((file) => /^test\/.*\.test\.ts$/.test(file));
      expect(tests.length > 0 || /^not tested\.$/i.test(text), title).to.equal(true);
    }
  });

  it('quotes only log lines that the code writes', () => {
    const lines = [...page('docs/failure-modes.md').matchAll(/\blog\s+`([^`]+)`/g)].map(([, line]) => line!);
    expect(lines).to.have.length.above(10);
    const text = sources();
    for (const line of lines) expect(text.includes(`'${line}'`), line).to.equal(true);
  });
});

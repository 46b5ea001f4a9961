import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/fixtures.js';

/** Where somebody finds commands to type: pages, help texts and mends, what is deployed, scripts. */
const PLACES = ['docs', 'deploy', 'scripts', 'bin', 'src', 'bench', 'test', '.ci'];
const FILES = ['README.md', 'CHANGELOG.md', 'package.json'];
const OWN = join('test', 'docs', 'commands.test.ts');

function files(): string[] {
  const below = PLACES.flatMap((folder) =>
    readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(projectRoot.length + 1)),
  );
  return [...FILES, ...below].filter((file) => file !== OWN);
}

describe('The commands that are told to type', () => {
  it('never have npx ask a registry for a package of our name, which anybody may register', () => {
    const all = files();
    expect(all).to.have.length.above(300);
    const guilty = all.flatMap((file) =>
      readFileSync(join(projectRoot, file), 'utf8')
        .split('\n')
        .filter((line) => /\bnpx (?!--no-install\b)(-\S+ )*[a-z@]/.test(line) || /\bnpm (exec|x) /.test(line))
        .map((line) => `${file}: ${line.slice(0, 120)}`),
    );
    expect(guilty).to.deep.equal([]);
  });
});

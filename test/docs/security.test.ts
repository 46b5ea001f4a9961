import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/fixtures.js';
import { page } from './mentions.js';

interface Locked {
  readonly dev?: true;
  readonly integrity?: string;
  readonly hasInstallScript?: true;
}

const lock = JSON.parse(page('package-lock.json')) as { readonly packages: Readonly<Record<string, Locked>> };
const locked = Object.entries(lock.packages).filter(([path]) => path !== '');
const ours = (JSON.parse(page('package.json')) as { readonly dependencies: Readonly<Record<string, string>> })
  .dependencies;

describe('docs/security.md', () => {
  it('says truly that the program evaluates nothing, and starts no process but in the demo', () => {
    const files = ['src', 'bin'].flatMap((folder) =>
      readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => join(folder, file)),
    );
    expect(files).to.have.length.above(100);
    const guilty = files.filter((file) =>
      /\beval\s*\(|new Function\b|child_process|node:vm\b/.test(
        readFileSync(join(projectRoot, file), 'utf8'),
      ),
    );
    expect(guilty).to.deep.equal(['bin/demo/program.ts']);
  });

  it('counts the packages as they are', () => {
    const text = page('docs/security.md');
    const atRunTime = locked.filter(([, { dev }]) => dev !== true);
    expect(text).to.contain(`${Object.keys(ours).length} packages are ours by choice`);
    expect(text).to.contain(`it is ${atRunTime.length} at run time`);
  });

  it('says truly that each is pinned, hashed, and runs no script when it is installed but one', () => {
    for (const [name, version] of Object.entries(ours)) expect(version, name).to.match(/^\d+\.\d+\.\d+$/);
    for (const [path, { integrity }] of locked) expect(integrity, path).to.match(/^sha512-/);
    const scripts = locked.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(scripts.map(([path]) => path)).to.deep.equal(['node_modules/core-js-pure']);
  });
});

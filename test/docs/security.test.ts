import { expect } from 'chai';
import { page } from './mentions.js';

interface Locked {
  readonly dev?: true;
  readonly integrity?: string;
  readonly hasInstallScript?: true;
}

const lock = JSON.parse(page('package-lock.json')) as { readonly packages: Readonly<Record<string, Locked>> };
const locked = Object.entries(lock.packages).filter(([path]) => path !== '');
const { dependencies: ours, overrides } = JSON.parse(page('package.json')) as Readonly<
  Record<'dependencies' | 'overrides', Readonly<Record<string, string>>>
>;

describe('docs/security.md', () => {
  it('counts the packages as they are', () => {
    const text = page('docs/security.md');
    const atRunTime = locked.filter(([, { dev }]) => dev !== true);
    expect(text).to.contain(`${Object.keys(ours).length} packages are ours by choice`);
    expect(text).to.contain(`it is ${atRunTime.length} at run time`);
  });

  it('says of each version that we force on a package why', () => {
    expect(Object.keys(overrides)).to.have.length.above(0);
    for (const name of Object.keys(overrides)) expect(page('docs/security.md')).to.contain(`\`${name}\``);
  });

  it('says truly that each is pinned, hashed, and runs no script when it is installed but one', () => {
    for (const [name, version] of Object.entries(ours)) expect(version, name).to.match(/^\d+\.\d+\.\d+$/);
    for (const [path, { integrity }] of locked) expect(integrity, path).to.match(/^sha512-/);
    const scripts = locked.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(scripts.map(([path]) => path)).to.deep.equal(['node_modules/core-js-pure']);
  });
});

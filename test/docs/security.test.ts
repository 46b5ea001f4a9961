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
const { dependencies: ours, overrides } = JSON.parse(page('package.json')) as Readonly<
  Record<'dependencies' | 'overrides', Readonly<Record<string, string>>>
>;

/** The program's files, each with the lines that a pattern is on; those without any are left out. */
function linesWith(pattern: RegExp): Record<string, string[]> {
  const files = ['src', 'bin'].flatMap((folder) =>
    readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  expect(files).to.have.length.above(100);
  const found = files.map((file) => {
    const lines = readFileSync(join(projectRoot, file), 'utf8').split('\n');
    return [file, lines.filter((line) => pattern.test(line)).map((line) => line.trim())] as const;
  });
  return Object.fromEntries(found.filter(([, lines]) => lines.length > 0));
}

describe('docs/security.md', () => {
  it('says truly that the program evaluates nothing, and starts no process but in the demo', () => {
    const guilty = linesWith(/\beval\s*[(:]|\bFunction\s*\(|child_process|execArgv/);
    expect(Object.keys(guilty)).to.deep.equal(['bin/demo/program.ts']);
    // An empty context, for its garbage collector: what would evaluate is not imported.
    expect(linesWith(/['"](node:)?vm['"]/)).to.deep.equal({
      'src/dimse/upper-layer/read-buffers.ts': ["import { constants, createContext } from 'node:vm';"],
    });
  });

  it('says truly that it loads no code but its own, its packages’, and the handler that consume names', () => {
    const computed = linesWith(/\b(?:import|require)\((?!')|createRequire\([^)]*\)\((?!')/);
    expect(Object.keys(computed)).to.deep.equal(['bin/user-handler.ts']);
  });

  it('says truly that the token is compared by digests, in constant time, and nowhere else', () => {
    const compared = Object.entries(linesWith(/\btoken\b.*[!=]==?\s|[!=]==?\s.*\btoken\b/i))
      .filter(([file]) => file.startsWith('src/api/'))
      .flatMap(([, lines]) => lines);
    expect(compared).to.have.length.above(0);
    for (const line of compared) expect(line).to.match(/\btoken === null\b/);
    expect(linesWith(/timingSafeEqual\(/)).to.deep.equal({
      'src/api/guard.ts': ['if (given !== undefined && timingSafeEqual(digest(given), expected)) return;'],
    });
  });

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

import { expect } from 'chai';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { page } from '../docs/mentions.js';
import { projectRoot } from '../support/fixtures.js';
import { run, startProcess, type RunResult } from '../support/processes.js';
import { tempDir, type TempDir } from '../support/temp-dir.js';

const LOCKED = {
  '': { name: 'pixl-imaging' },
  'node_modules/one': { version: '1.0.0', integrity: 'sha512-one' },
  'node_modules/elsewhere': { version: '2.0.0', integrity: 'sha512-two', optional: true },
};

describe('scripts/ready.mjs', () => {
  let checkout: TempDir;
  const path = (...names: string[]): string => join(checkout.path, ...names);
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), text);
  };

  /** A checkout with packages, and an `npm` that writes down what it is asked for. */
  beforeEach(() => {
    checkout = tempDir('checkout');
    mkdirSync(path('scripts'));
    cpSync(join(projectRoot, 'scripts', 'ready.mjs'), path('scripts', 'ready.mjs'));
    write('package-lock.json', JSON.stringify({ packages: LOCKED }));
    write('tools/npm', `#!/bin/sh\necho "$@" >> ${path('asked')}\nexit 0\n`);
    chmodSync(path('tools', 'npm'), 0o755);
  });
  afterEach(() => checkout.remove());

  const installed = (version = '1.0.0'): void => {
    write('node_modules/one/package.json', '{}');
    const packages = { 'node_modules/one': { ...LOCKED['node_modules/one'], version } };
    write('node_modules/.package-lock.json', JSON.stringify({ packages }));
  };
  const ready = (...args: string[]): Promise<RunResult> =>
    run(process.execPath, [path('scripts', 'ready.mjs'), ...args], {
      env: { PATH: `${path('tools')}:${process.env['PATH'] ?? ''}` },
      allowFailure: true,
    });
  const asked = (): string[] =>
    existsSync(path('asked'))
      ? readFileSync(path('asked'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => line.split(' ').slice(0, 3).join(' '))
      : [];
  const BUILD = 'run --silent build';
  const INSTALL = 'ci --no-audit --no-fund';

  it('installs in a fresh clone, and builds', async () => {
    const { code, stderr } = await ready();
    expect([code, asked()]).to.deep.equal([0, [INSTALL, BUILD]]);
    expect(stderr).to.contain('installing the packages').and.to.contain('building');
  });

  it('leaves what somebody has installed already as it is', async () => {
    installed();
    expect((await ready()).code).to.equal(0);
    expect(asked()).to.deep.equal([BUILD]);
  });

  it('installs where another version is, where a folder is gone, and where an installation was broken off', async () => {
    installed('0.9.0');
    await ready('--packages');
    installed();
    rmSync(path('node_modules', 'one'), { recursive: true });
    await ready('--packages');
    installed();
    write('node_modules/.package-lock.json', '{"packages": {"node_mod');
    await ready('--packages');
    expect(asked()).to.deep.equal([INSTALL, INSTALL, INSTALL]);
  });

  it('exchanges no package under a program of the checkout that runs', async () => {
    installed('0.9.0');
    write('dist/bin/pixl-imaging.js', 'setInterval(() => undefined, 1000);');
    const program = await startProcess({
      name: 'program',
      command: process.execPath,
      args: [join('dist', 'bin', 'pixl-imaging.js'), 'serve'],
      cwd: checkout.path,
    });
    try {
      const { code, stderr } = await ready();
      expect([code, asked()]).to.deep.equal([1, []]);
      expect(stderr).to.contain(`process ${program.pid} runs this checkout's program`);
      installed();
      expect((await ready()).code, 'with nothing to exchange').to.equal(0);
    } finally {
      await program.stop();
    }
    installed('0.9.0');
    expect((await ready()).code, 'when it has ended').to.equal(0);
  });

  it('leaves a node_modules that is a link to somebody else’s', async () => {
    mkdirSync(path('theirs'));
    symlinkSync(path('theirs'), path('node_modules'));
    expect((await ready()).code).to.equal(0);
    expect(asked()).to.deep.equal([BUILD]);
  });

  it('stands before each script that needs packages and a build, so that they run in a fresh clone', () => {
    const { scripts } = JSON.parse(page('package.json')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    for (const name of [
      'demo',
      'lab',
      'bench',
      'fuzz',
      'soak',
      'test:unit',
      'test:peers',
      'test:faults',
      'docs:config',
    ])
      expect(scripts[name], name).to.match(/^node scripts\/ready\.mjs && /);
    expect(page('scripts/test.sh')).to.contain('node scripts/ready.mjs --packages');
  });
});

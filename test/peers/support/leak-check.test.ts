import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../../support/fixtures.js';
import { run, type RunResult } from '../../support/processes.js';
import { withTempDir } from '../../support/temp-dir.js';

const support = (name: string): string => join(projectRoot, 'dist/test/support', name);

/** Runs mocha on a test file of a few lines, with the leak check and the summary reporter. */
function mocha(tests: string): Promise<RunResult & { summary: string; failures: string }> {
  return withTempDir(async (folder) => {
    const file = join(folder, 'some.test.mjs');
    const summary = join(folder, 'summary.json');
    const imports = ['processes', 'temp-dir', 'long-lived'].map(
      (name) =>
        `import * as ${name.replace('-', '_')} from ${JSON.stringify(pathToFileURL(support(`${name}.js`)).href)};`,
    );
    writeFileSync(file, `${imports.join('\n')}\nimport { createServer } from 'node:net';\n${tests}`);
    const result = await run(
      process.execPath,
      [
        join(projectRoot, 'node_modules/mocha/bin/mocha.js'),
        ...[
          '--no-config',
          '--require',
          support('leak-check.js'),
          '--reporter',
          support('summary-reporter.js'),
          file,
        ],
      ],
      {
        allowFailure: true,
        cwd: folder,
        env: { PIXL_TEST_SUMMARY: summary, PIXL_TEST_LEAK_MS: '100', TMPDIR: folder },
      },
    );
    return {
      ...result,
      summary: readFileSync(summary, 'utf8'),
      failures: readFileSync(`${summary}.failures`, 'utf8'),
    };
  });
}

describe('the leak check', () => {
  it("gives every test mocha's longest timeout, whatever the test says", async () => {
    const { code, stdout } = await mocha(`
      it('is slow', function (done) { this.timeout(20); setTimeout(done, 100) }).timeout(10);`);
    expect(code, stdout).to.equal(0);
  });

  it('passes over tests that clean up, and over what is long-lived on purpose', async () => {
    const { code, stdout, summary } = await mocha(`
      it('cleans up', () => temp_dir.withTempDir(() => undefined));
      it('shares', () => long_lived.openLongLived('shared', async () => {
        const one = await processes.startProcess({ name: 'shared', command: 'sleep', args: ['60'] });
        long_lived.closeAtEnd('shared', () => one.stop());
      }));
      it.skip('is skipped', () => undefined);`);
    expect(code, stdout).to.equal(0);
    expect(JSON.parse(summary)).to.deep.equal({ passed: 2, failed: 0, skipped: 1 });
  });

  it('names each test that leaves something open, runs the others, and fails', async () => {
    const { code, stderr, summary, failures } = await mocha(`
      let server, timer;
      it('leaves a process', () => processes.startProcess({ name: 'left', command: 'sleep', args: ['60'] }));
      it('leaves a folder', () => { temp_dir.tempDir('left') });
      it('leaves a socket', (done) => { server = createServer().listen(0, '127.0.0.1', done) });
      it('leaves a timer', () => { timer = setTimeout(() => undefined, 60000) });
      it('pollutes', () => { JSON.parse('{"a": 1}').__proto__.mrn = '1' });
      it('ends both', (done) => { clearTimeout(timer); server.close(done) });`);
    expect(code).to.equal(1);
    expect(stderr).to.match(/LEAK: "leaves a process" left open: process left \(\d+\)/);
    expect(stderr).to.contain('LEAK: "leaves a folder"');
    expect(stderr).to.contain('LEAK: "leaves a socket" left open: 1 socket\n');
    expect(stderr).to.contain('LEAK: "leaves a timer" left open: 1 timer\n');
    expect(stderr).to.contain('LEAK: "pollutes" left open: Object.prototype.mrn\n');
    expect(stderr).not.to.contain('ends both');
    expect(JSON.parse(summary)).to.deep.equal({ passed: 6, failed: 1, skipped: 0 });
    expect(failures, 'what is said again at the end').to.match(/^[^\n]+left open[^\n]+\n$/);
  });
});

import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../../support/fixtures.js';
import { isRunning, run, runningProcesses, startProcess, untilGone } from '../../support/processes.js';
import { withTempDir } from '../../support/temp-dir.js';

describe('a started process', () => {
  it('ends on TERM, and its log is gone with it', async () => {
    const sleeper = await startProcess({ name: 'sleeper', command: 'sleep', args: ['60'] });
    expect(runningProcesses()).to.include(sleeper);
    expect(await sleeper.stop()).to.deep.equal({ code: null, signal: 'SIGTERM' });
    expect(isRunning(sleeper.pid)).to.equal(false);
    expect(runningProcesses()).not.to.include(sleeper);
  });

  it('is killed when it does not listen to TERM', () =>
    withTempDir(async (folder) => {
      const logFile = join(folder, 'deaf.log');
      const deaf = await startProcess({
        name: 'deaf',
        command: 'bash',
        args: ['-c', 'trap "" TERM; echo deaf; while :; do sleep 0.05; done'],
        logFile,
        ready: () => expect(readFileSync(logFile, 'utf8')).to.contain('deaf'),
      });
      expect((await deaf.stop(100)).signal).to.equal('SIGKILL');
    }));

  it('takes with it what it forked', async () => {
    const parent = await startProcess({
      name: 'parent',
      command: 'bash',
      args: ['-c', 'sleep 60 & echo "child $!"; wait'],
      ready: () => true,
    });
    let child = 0;
    while (child === 0) {
      child = Number(/child (\d+)/.exec(parent.log())?.[1] ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await parent.kill();
    await untilGone(child);
  });

  it('that ends before it is ready is an error with the end of its log', async () => {
    const failing = startProcess({
      name: 'failing',
      command: 'bash',
      args: ['-c', 'echo the reason; exit 3'],
      ready: () => {
        throw new Error('not ready');
      },
    });
    const error = await failing.then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error?.message).to.contain('the reason');
    expect((error?.cause as Error).message).to.contain('exit 3');
  });

  for (const end of ['exit', 'SIGTERM', 'SIGKILL'] as const) {
    it(`does not outlive the test process when that ends by ${end}`, () =>
      withTempDir(async (folder) => {
        const module = pathToFileURL(join(projectRoot, 'dist/test/support/processes.js')).href;
        const script = `
        const { startProcess } = await import(${JSON.stringify(module)});
        const one = await startProcess({ name: 'orphan', command: 'sleep', args: ['60'] });
        process.stdout.write(String(one.pid));
        ${end === 'exit' ? 'process.exit(0)' : `process.kill(process.pid, '${end}'); setTimeout(() => {}, 5000)`}`;
        const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
          env: { TMPDIR: folder },
          allowFailure: true,
        });
        await untilGone(Number(stdout));
      }));
  }
});

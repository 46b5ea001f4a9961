import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { eventually } from './eventually.js';
import { projectRoot } from './fixtures.js';
import { isRunning, startProcess, untilGone } from './processes.js';
import { withTempDir } from './temp-dir.js';

const support = (name: string): string =>
  JSON.stringify(pathToFileURL(join(projectRoot, `dist/test/support/${name}.js`)).href);

/**
 * A run that starts a bit of everything: a process that starts another, one in a session of its own whose parent is gone,
 * one that hears no SIGTERM, one that has lost its environment, a command, and a folder. It writes down their numbers.
 */
const RUN = `
import { writeFileSync } from 'node:fs';
import { superviseRun } from ${support('supervisor')};
import { startProcess, run } from ${support('processes')};
import { tempDir } from ${support('temp-dir')};
superviseRun();
const bash = (script) => startProcess({ name: 'bash', command: 'bash', args: ['-c', script] });
await bash('sleep 300 & wait');
await bash('(setsid sleep 300 &); exec sleep 300');
await bash("trap '' TERM HUP; sleep 300 & wait; sleep 300");
await startProcess({ name: 'env', command: 'env', args: ['-i', 'sleep', '300'] });
void run('sleep', ['300']);
writeFileSync(tempDir().path + '/file', '');
writeFileSync(process.env.READY, process.env.PIXL_TEST_RUN);
setInterval(() => undefined, 1000);`;

/** The processes whose environment names a folder as their run's, or whose parent is one of them. */
function processesOf(folder: string): number[] {
  const found = new Set<number>();
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  const read = (pid: number, file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'latin1');
    } catch {
      return ''; // it has ended meanwhile
    }
  };
  for (const pid of pids) {
    const stat = read(pid, 'stat');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]);
    const marked = `${read(pid, 'environ')}\0`.includes(`PIXL_TEST_RUN=${folder}\0`);
    if ((marked || found.has(parent)) && isRunning(pid)) found.add(pid);
  }
  return [...found];
}

/** Starts a leader and waits until all it starts is there. @returns it, and its run's folder */
async function startRun(path: string): Promise<{ leader: ChildProcess; folder: string }> {
  mkdirSync(join(path, 'tmp'));
  const ready = join(path, 'ready');
  const leader = spawn(process.execPath, ['--input-type=module', '-e', RUN], {
    env: { ...process.env, READY: ready, TMPDIR: join(path, 'tmp') },
    stdio: 'inherit',
  });
  const folder = await eventually(() => {
    const text = readFileSync(ready, 'utf8');
    // bash and its sleep; two sleeps; bash and its sleep; a sleep of no environment is not seen so; the command
    expect(processesOf(text)).to.have.length(7);
    return text;
  });
  return { leader, folder };
}

describe('a run of tests', () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const)
    it(`that ends by ${signal} takes with it all that it started, and nothing else`, () =>
      withTempDir(async (path) => {
        const stranger = await startProcess({ name: 'stranger', command: 'sleep', args: ['300'] });
        const { leader, folder } = await startRun(path);
        const [bare] = readFileSync(join(folder, '.started'), 'utf8').trim().split('\n').slice(-1);
        const pid = Number(bare!.split(' ')[0]);
        expect(isRunning(pid)).to.equal(true);
        leader.kill(signal);
        await once(leader, 'exit');
        await eventually(() => expect(existsSync(folder)).to.equal(false));
        expect(processesOf(folder)).to.deep.equal([]);
        expect(isRunning(pid)).to.equal(false);
        expect(stranger.isRunning()).to.equal(true);
        await stranger.stop();
      }));

  it('ends when what stands above it is killed, its leader with it', () =>
    withTempDir(async (path) => {
      const folder = join(path, 'run');
      mkdirSync(folder);
      const env = { PIXL_TEST_RUN: folder };
      const leader = await startProcess({ name: 'leader', command: 'sleep', args: ['300'], env });
      const npm = await startProcess({ name: 'npm', command: 'sleep', args: ['300'] });
      const watch = ['scripts/watch.sh', folder, leader.pid, npm.pid].map(String);
      const watcher = await startProcess({ name: 'watch', command: 'bash', args: watch, cwd: projectRoot });
      await npm.kill();
      await untilGone(leader.pid);
      expect(await watcher.exited()).to.deep.equal({ code: 0, signal: null });
      expect(existsSync(folder)).to.equal(false);
    }));
});

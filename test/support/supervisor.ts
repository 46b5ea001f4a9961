import { spawn } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './fixtures.js';

/** The folder of a run, by which its processes are known (see scripts/watch.sh). */
const MARK = 'PIXL_TEST_RUN';

let supervised = false;

/**
 * Makes this process the leader of a run, once: what it starts from here on ends when it does, killed or not, and its temporary
 * folders go. A run within a run (a mocha of `npm test`) is a part of that one.
 */
export function superviseRun(): void {
  if (supervised) return;
  supervised = true;
  // Within a run a short name: the path of a socket in it may have 107 characters (unix(7)).
  const folder = mkdtempSync(join(tmpdir(), process.env[MARK] === undefined ? 'pixl-run-' : 'r'));
  chmodSync(folder, 0o711); // PostgreSQL and proftpd, which give up root, get through it
  spawn('setsid', ['bash', join(projectRoot, 'scripts/watch.sh'), folder, String(process.pid)], {
    env: { ...process.env, [MARK]: '' },
    cwd: '/',
    stdio: 'ignore',
    detached: true,
  }).unref();
  process.env[MARK] = folder;
  process.env['TMPDIR'] = folder;
}

/** What the environment of every process must say that a test starts, also of those that get one made from nothing. */
export function runMark(): Record<string, string> {
  superviseRun();
  return { [MARK]: runFolder() };
}

/** For a process that overwrites its environment, as those do that show what they do as their title. */
export function writeDownStarted(pid: number): void {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  appendFileSync(join(runFolder(), '.started'), `${pid} ${started}\n`);
}

function runFolder(): string {
  const folder = process.env[MARK];
  if (folder === undefined) throw new Error('nobody supervises this run');
  return folder;
}

/**
 * node scripts/ready.mjs [--packages]: has node_modules be what package-lock.json says, and with that builds; in a fresh clone
 * `npm run demo`, `lab`, `bench` and the like need nothing else before. What is installed already, by whomever, is left as
 * it is. Packages are not exchanged under a program of this checkout that runs: it loads some of them at their first use.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = join('dist', 'bin', 'pixl-imaging.js');

/** Whether each package of the lock file is there, in its version; those for other machines may be absent. */
export function isInstalled(root) {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const there = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || there === undefined) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = there[path];
    if (found === undefined) return optional === true;
    const isSame = found.version === version && found.integrity === integrity;
    return isSame && existsSync(join(root, path, 'package.json'));
  });
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined; // not there, or half written by an installation that was broken off
  }
}

/** The processes that run this checkout's program: from /proc where there is one, else those that `ps` shows with its path. */
export function runningHere(root) {
  const program = realOrSame(join(root, PROGRAM));
  const pids = existsSync('/proc/self/cmdline') ? linuxProcesses(program) : shownByPs(program);
  return pids.filter((pid) => pid !== process.pid && pid !== process.ppid);
}

function linuxProcesses(program) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const named = args.slice(1, 10).find((arg) => arg.endsWith('pixl-imaging.js'));
        if (named === undefined) return false;
        const folder = named.startsWith('/') ? '/' : readlinkSync(`/proc/${pid}/cwd`);
        return realOrSame(resolve(folder, named)) === program;
      } catch {
        return false; // it has ended, or is somebody else's
      }
    })
    .map(Number);
}

function shownByPs(program) {
  const { stdout } = spawnSync('ps', ['-axww', '-o', 'pid=,command='], { encoding: 'utf8' });
  return (stdout ?? '')
    .split('\n')
    .filter((line) => line.includes(program))
    .map((line) => Number(line.trim().split(' ')[0]));
}

function realOrSame(path) {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** @returns an exit code */
function install(root) {
  const folder = join(root, 'node_modules');
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) {
    say('node_modules is a link: left as it is');
    return 0;
  }
  if (isInstalled(root)) return 0;
  const [running] = runningHere(root);
  if (running !== undefined) {
    say(
      `the packages are not those of package-lock.json, and process ${running} runs this checkout's program: ` +
        'stop it first. Nothing was changed.',
    );
    return 1;
  }
  say('installing the packages of package-lock.json');
  return npm(root, 'ci', '--no-audit', '--no-fund', '--loglevel=error');
}

/** @returns an exit code */
function build(root) {
  say('building');
  return npm(root, 'run', '--silent', 'build');
}

function npm(root, ...args) {
  const { status, error } = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) say(`npm can't be started: ${error.code ?? error.message}`);
  return status ?? 1;
}

function say(text) {
  console.error(`${process.env.npm_lifecycle_event ?? 'ready'}: ${text}`);
}

if (process.argv[1] !== undefined && realOrSame(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const installed = install(root);
  process.exitCode = installed !== 0 || process.argv.includes('--packages') ? installed : build(root);
}

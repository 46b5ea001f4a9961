import Mocha from 'mocha';
import { setTimeout as sleep } from 'node:timers/promises';
import { allowedHandles, closeLongLived } from './long-lived.js';
import { slowness, Wait } from './patience.js';
import { runningProcesses } from './processes.js';
import { superviseRun } from './supervisor.js';
import { discardTempDir, openTempDirs } from './temp-dir.js';

/**
 * Root hooks: a test ends without the sockets, timers, processes and temp dirs that it opened. What was there before
 * the test (from a suite's `before`) and what is long-lived on purpose (see long-lived.ts) is passed over. Nor may
 * anything that it read have got into `Object.prototype`.
 *
 * A leak fails the run, not the test: mocha stops altogether when a root `afterEach` throws, and the tests that
 * follow are wanted as well. So leaks are shown at once, and thrown after the last test.
 */
interface Open {
  readonly sockets: number;
  readonly timers: number;
  readonly children: number;
  /** Of the children those that all tests share: whichever comes first starts them. */
  readonly longLived: number;
  readonly processes: ReadonlySet<string>;
  readonly tempDirs: ReadonlySet<string>;
}

superviseRun();

/** How long a test's things may take to be gone: a socket that was closed is still there for a moment. */
const PATIENCE_MS = Number(process.env['PIXL_TEST_LEAK_MS'] ?? 5_000);

const SOCKETS: ReadonlySet<string> = new Set([
  'TCPSocketWrap',
  'TCPServerWrap',
  'TLSWrap',
  'UDPWrap',
  'PipeServerWrap',
]);

function openNow(): Open {
  let sockets = 0;
  let timers = 0;
  let children = 0;
  const managed = runningProcesses();
  for (const name of process.getActiveResourcesInfo()) {
    if (SOCKETS.has(name)) sockets += 1;
    else if (name === 'Timeout') timers += 1;
    else if (name === 'ProcessWrap') children += 1;
  }
  return {
    sockets,
    timers,
    children,
    longLived: managed.filter((one) => one.longLived).length,
    processes: new Set(managed.filter((one) => !one.longLived).map((one) => `${one.name} (${one.pid})`)),
    tempDirs: new Set(openTempDirs()),
  };
}

function added(before: ReadonlySet<string>, now: ReadonlySet<string>): string[] {
  return [...now].filter((one) => !before.has(one));
}

/** What is open now and was not before; empty when the test left nothing. */
function leaksSince(before: Open): string[] {
  const now = openNow();
  const allowed = allowedHandles();
  const leaks: string[] = [];
  const count = (what: string, more: number): void => {
    if (more > 0) leaks.push(`${more} ${what}${more > 1 ? 's' : ''}`);
  };
  count('socket', now.sockets - before.sockets - (allowed.sockets - allowedBefore.sockets));
  count('timer', now.timers - before.timers - (allowed.timers - allowedBefore.timers));
  count('child process', now.children - before.children - (now.longLived - before.longLived));
  for (const name of added(before.processes, now.processes)) leaks.push(`process ${name}`);
  for (const path of added(before.tempDirs, now.tempDirs)) leaks.push(`temp dir ${path}`);
  for (const key of Object.keys(Object.prototype)) leaks.push(`Object.prototype.${key}`);
  return leaks;
}

const found: string[] = [];
let before: Open = openNow();
let allowedBefore = allowedHandles();

async function endLeaked(): Promise<void> {
  for (const key of Object.keys(Object.prototype)) Reflect.deleteProperty(Object.prototype, key);
  for (const one of runningProcesses()) {
    if (!one.longLived && !before.processes.has(`${one.name} (${one.pid})`)) await one.kill();
  }
  for (const path of added(before.tempDirs, new Set(openTempDirs()))) discardTempDir(path);
}

/** Mocha starts a hook's own timer when its promise is there: both hooks count from behind that, so it cancels out. */
function afterTheHookBegan(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function untilNothingLeaks(): Promise<string[]> {
  const wait = new Wait(PATIENCE_MS);
  await afterTheHookBegan();
  let leaks = leaksSince(before);
  while (leaks.length > 0 && !wait.isOver()) {
    await sleep(10);
    leaks = leaksSince(before);
  }
  return leaks;
}

/**
 * Mocha's timeout is for what hangs: one for all tests and hooks, so long that no machine meets it at work. Whatever a
 * command line or a test says instead is passed over, but for 0, which takes it away (to look at a test with a debugger).
 */
const HANGS_MS = 600_000;
const runnable = Mocha.Runnable.prototype;
const ownTimeout = Reflect.get(runnable, 'timeout') as (ms?: number) => unknown;
runnable.timeout = function (this: Mocha.Runnable, ms?: number | string): unknown {
  if (ms === undefined) return ownTimeout.call(this);
  return ownTimeout.call(this, Number(ms) === 0 ? 0 : HANGS_MS * slowness());
} as Mocha.Runnable['timeout'];

export const mochaHooks: Mocha.RootHookObject = {
  async beforeEach(): Promise<void> {
    await afterTheHookBegan();
    before = openNow();
    allowedBefore = allowedHandles();
  },

  async afterEach(this: Mocha.Context): Promise<void> {
    const leaks = await untilNothingLeaks();
    if (leaks.length === 0) return;
    const text = `"${this.currentTest?.fullTitle() ?? 'a test'}" left open: ${leaks.join(', ')}`;
    found.push(text);
    process.stderr.write(`LEAK: ${text}\n`);
    await endLeaked();
  },

  async afterAll(): Promise<void> {
    await closeLongLived();
    for (const one of runningProcesses()) {
      found.push(`after all tests the process ${one.name} (${one.pid}) was still running`);
      await one.kill();
    }
    for (const path of openTempDirs()) found.push(`after all tests the temp dir ${path} was still there`);
    if (found.length > 0) throw new Error(`${found.length} leaks:\n${found.join('\n')}`);
  },
};

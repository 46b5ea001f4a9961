import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from './eventually.js';
import { longLivedScope } from './long-lived.js';
import { patience, Wait } from './patience.js';
import { runMark, writeDownStarted } from './supervisor.js';
import { tempDir } from './temp-dir.js';

/** How a process ended. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  /** For messages and for the log's file name. */
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  /** On top of a clean environment: PATH, HOME, TMPDIR and a fixed locale. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Stdout and stderr go here; without it into a temp dir, removed when the process is stopped. */
  readonly logFile?: string;
  /** Throws until the process is ready to be used. */
  readonly ready?: () => unknown;
}

/** A process that we started. It is told to end, and known to have ended, through its own handle alone. */
export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Marked as shared between tests (see long-lived.ts). */
  readonly longLived: boolean;
  isRunning(): boolean;
  /** Resolves when it has ended, whoever ended it. */
  exited(): Promise<ExitStatus>;
  /** Everything it has written so far. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
  /** TERM, patience for so long, KILL. Afterwards it and what it forked are gone. */
  stop(graceMs?: number): Promise<ExitStatus>;
  /** KILL, as when a machine is switched off. */
  kill(): Promise<ExitStatus>;
}

/** Patience (see patience.ts) with a process that is to get ready, with one that is to be gone, and with a command. */
const READY_MS = 60_000;
const GONE_MS = 10_000;
const RUN_MS = 120_000;

const running = new Set<ManagedProcess>();

/** The processes that were started here and have not ended. */
export function runningProcesses(): ManagedProcess[] {
  return [...running];
}

/** A clean environment for peers: nothing of the caller's locale or settings reaches them, but whose they are. */
export function peerEnv(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const env: Record<string, string> = {
    PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin`,
    HOME: process.env['HOME'] ?? '/',
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    ...runMark(),
  };
  for (const name of ['TMPDIR', 'PIXL_TEST_PATIENCE']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, ...extra };
}

/**
 * Is there a process of this id that still runs? A zombie, which has ended and only waits for its parent to
 * look, does not count. For what was not started by `startProcess` (a broker's grandchild).
 */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

/** To the whole group that the child leads: dcmqrscp forks a child for each association. */
function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function lastLines(file: string, count: number): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}

/**
 * Starts a process in a group of its own and waits until its `ready` probe passes. Node is not kept alive by it.
 * @throws when it ends, or is not ready in time; it is stopped then, and the error shows the end of its log.
 */
export async function startProcess(options: StartOptions): Promise<ManagedProcess> {
  const logDir = options.logFile === undefined ? tempDir(`log-${options.name}`) : undefined;
  const logFile = options.logFile ?? join(logDir!.path, `${options.name}.log`);
  mkdirSync(dirname(logFile), { recursive: true });
  const fd = openSync(logFile, 'a');
  let child: ChildProcess;
  try {
    child = spawn(options.command, options.args ?? [], {
      cwd: options.cwd,
      env: peerEnv(options.env),
      stdio: ['ignore', fd, fd],
      detached: true,
    });
  } finally {
    closeSync(fd);
  }
  const managed = await manage(child, options.name, logFile, () => logDir?.remove());
  try {
    if (options.ready !== undefined) await untilReady(managed, options.ready);
  } catch (cause) {
    const tail = lastLines(logFile, 12);
    await managed.kill();
    throw new Error(`${options.name} did not get ready; the end of its log:\n${tail}`, { cause });
  }
  return managed;
}

async function manage(
  child: ChildProcess,
  name: string,
  logFile: string,
  afterwards: () => void,
): Promise<ManagedProcess> {
  let status: ExitStatus | undefined;
  const ended = new Promise<ExitStatus>((resolve) => {
    child.once('exit', (code, signal) => {
      status = { code, signal };
      running.delete(managed);
      // What it forked and did not take with it: the group is still its own at this moment.
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
      resolve(status);
      setImmediate(afterwards);
    });
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid!));
    child.once('error', (error) => {
      afterwards();
      reject(error);
    });
  });
  const exited = async (): Promise<ExitStatus> => {
    child.ref();
    return ended;
  };
  const managed: ManagedProcess = {
    name,
    pid,
    logFile,
    longLived: longLivedScope() !== undefined,
    isRunning: () => status === undefined,
    exited,
    log: () => readFileSync(logFile, 'utf8'),
    signal: (signal) => {
      if (status === undefined) child.kill(signal);
    },
    stop: async (graceMs = 10_000) => {
      if (status !== undefined) return status;
      child.kill('SIGTERM');
      const timer = setTimeout(() => {
        if (status === undefined) signalGroup(pid, 'SIGKILL');
      }, patience(graceMs));
      try {
        return await exited();
      } finally {
        clearTimeout(timer);
      }
    },
    kill: async () => {
      if (status === undefined) signalGroup(pid, 'SIGKILL');
      return exited();
    },
  };
  running.add(managed);
  if (status === undefined) writeDownStarted(pid);
  child.unref();
  return managed;
}

async function untilReady(managed: ManagedProcess, ready: () => unknown): Promise<void> {
  const stopped = new AbortController();
  await Promise.race([
    managed.exited().then(({ code, signal }) => {
      throw new Error(`${managed.name} ended early (${signal ?? `exit ${String(code)}`})`);
    }),
    eventually(
      async () => {
        if (stopped.signal.aborted) return;
        await ready();
      },
      { timeoutMs: READY_MS, everyMs: 40 },
    ),
  ]).finally(() => stopped.abort());
  if (!managed.isRunning()) throw new Error(`${managed.name} ended early`);
}

/** What a command wrote and how it ended. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** For what takes more than minutes even on a quick, idle machine. */
  readonly timeoutMs?: number;
  /** An exit code other than 0 is an answer, not an error. */
  readonly allowFailure?: boolean;
  readonly input?: string;
}

/** Runs a command to its end. @throws when it exits with another code than 0 (unless allowed) or takes too long. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const timeoutMs = patience(Math.max(options.timeoutMs ?? 0, RUN_MS));
  const child = spawn(command, [...args], { cwd: options.cwd, env: peerEnv(options.env), detached: true });
  const late = { is: false };
  const timer = setTimeout(() => {
    late.is = true;
    if (child.pid !== undefined && child.exitCode === null) signalGroup(child.pid, 'SIGKILL');
  }, timeoutMs);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => undefined); // a command that reads no input may close it
  child.stdin.end(options.input ?? '');
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (...status) => resolve(status));
    });
    const result = {
      code: code ?? 128,
      stdout: Buffer.concat(out).toString('utf8'),
      stderr: Buffer.concat(err).toString('utf8'),
    };
    if (late.is || (code !== 0 && options.allowFailure !== true)) {
      throw new Error(
        `${command} ${late.is ? `took longer than ${timeoutMs} ms` : `ended with ${signal ?? String(code)}`}: ${(result.stderr || result.stdout).slice(-2000)}`,
      );
    }
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for a condition of a process that has no event. */
export async function untilGone(pid: number): Promise<void> {
  const wait = new Wait(GONE_MS);
  while (isRunning(pid)) {
    if (wait.isOver()) throw new Error(`process ${pid} still runs after ${wait.waited}`);
    await sleep(20);
  }
}

function endAll(): void {
  for (const managed of running) signalGroup(managed.pid, 'SIGKILL');
}

process.once('exit', endAll);
// Without a handler these end the process at once, and no exit handler would run.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => {
    endAll();
    process.exit(code);
  });
}

import { request } from 'node:http';
import { expectNoCanary } from './canary.js';
import { freePort } from './ports.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProcess, type ManagedProcess } from './processes.js';
import { tempDir } from './temp-dir.js';
import { PROGRAM } from './cli.js';

/** The program as a user runs it: compiled, in a process of its own. */

/** One line of the daemon's log. */
export interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** `pixl-imaging serve` in a process of its own, with a folder of its own, where no `.env` is. */
export type Daemon = Awaited<ReturnType<typeof startDaemon>>;

/** Longer than the daemon's default PIXL_SHUTDOWN_GRACE. */
const STOP_MS = 45_000;
/** A page that takes longer is not waited for. */
const LOOK_MS = 1_000;

/**
 * Starts the daemon and waits until it says that it is ready.
 *
 * @param options those of `serve`
 * @param modules URLs of modules that Node loads before the program (`--import`)
 */
export async function startDaemon(
  environment: Readonly<Record<string, string>>,
  options: readonly string[] = [],
  modules: readonly string[] = [],
) {
  const dir = tempDir('daemon');
  const logFile = join(dir.path, 'daemon.log');
  let managed: ManagedProcess;
  const log = (): string => readFileSync(logFile, 'utf8');
  const readyLines = (): number => linesOf(log()).filter(({ msg }) => msg === 'ready').length;
  // Not what the test is about, unless it says so.
  const env = {
    PIXL_IMAGING_API_PORT: `${await freePort()}`,
    PIXL_IMAGING_API_RATE: 'unlimited',
    LOG_LEVEL: 'debug',
    ...environment,
  };
  const spawn = (ready?: () => void): Promise<ManagedProcess> =>
    startProcess({
      name: 'pixl-imaging',
      command: process.execPath,
      args: [...modules.flatMap((url) => ['--import', url]), PROGRAM, 'serve', ...options],
      env,
      cwd: dir.path,
      logFile,
      ...(ready === undefined ? {} : { ready }),
    });
  const start = (runsBefore: number): Promise<ManagedProcess> =>
    spawn(() => {
      if (readyLines() === runsBefore) throw new Error('the daemon is not ready');
    });
  const requireEnded = (): void => {
    if (managed.isRunning()) throw new Error('the daemon runs already');
  };
  try {
    managed = await start(0);
  } catch (error) {
    dir.remove();
    throw error;
  }
  const pages: string[] = [];
  const look = async (): Promise<void> => {
    if (!managed.isRunning()) return;
    for (const page of await Promise.all(['/status', '/metrics'].map((path) => read(path, env))))
      pages.push(page);
  };
  return {
    get pid() {
      return managed.pid;
    },
    isRunning: () => managed.isRunning(),
    /** What it has logged, over all its runs. @throws when it wrote something that is no JSON line */
    lines: () => linesOf(log()),
    /** The same as it stands in the file. */
    log,
    /** The file, for who reads it bit by bit. */
    logFile,
    /** SIGTERM; resolves when it has ended. Killed, and so not exit code 0, when that takes longer than `graceMs`. */
    stop: async (graceMs = STOP_MS) => {
      await look();
      return managed.stop(graceMs);
    },
    /** SIGKILL. */
    kill: () => managed.kill(),
    signal: (signal: NodeJS.Signals) => managed.signal(signal),
    /** After `stop` or `kill`, or when it has ended by itself: the same command in the same environment. */
    start: async () => {
      requireEnded();
      managed = await start(readyLines());
    },
    /** The same, without waiting until it is ready: it may end before that. */
    startOnly: async () => {
      requireEnded();
      managed = await spawn();
    },
    /** Resolves when it has ended, whoever ended it. */
    exited: () => managed.exited(),
    /** Reads its `/status` and `/metrics`, if it answers; `close` looks what they showed. */
    look,
    /**
     * Ends it, if it runs, and removes its folder.
     * @throws when its log, or a page that was looked at, has shown an identifier or a secret
     */
    close: async () => {
      await look();
      await managed.stop(STOP_MS);
      const shown = [log(), ...pages];
      dir.remove();
      expectNoCanary(shown.join('\n'), 'the daemon');
    },
  };
}

/** A page of a daemon's HTTP API with its header fields; empty when it does not answer, for it may be about to end. */
function read(path: string, env: Readonly<Record<string, string>>): Promise<string> {
  const token = env['PIXL_API_TOKEN'];
  return new Promise((resolve) => {
    const asking = request(
      {
        ...{ host: '127.0.0.1', port: env['PIXL_IMAGING_API_PORT'], path, agent: false, timeout: LOOK_MS },
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      },
      (response) => {
        let text = JSON.stringify(response.headers);
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('close', () => resolve(text));
      },
    );
    asking.on('timeout', () => asking.destroy());
    asking.on('error', () => resolve(''));
    asking.end();
  });
}

/** A line is written whole or, by a daemon that was killed, not yet; what follows the last line break is no line yet. */
function linesOf(log: string): LogLine[] {
  return log
    .slice(0, log.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return JSON.parse(line) as LogLine;
      } catch (cause) {
        throw new Error(`the daemon wrote a line that is no JSON: ${line}`, { cause });
      }
    });
}

/** Resident memory of a process in MiB: now, and the most since the start or the last {@link forgetPeakMemory}. */
export function residentMemory(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const mebibytes = (name: string): number => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status);
    if (found === null) throw new Error(`no ${name} of process ${pid}`);
    return Number(found[1]) / 1024;
  };
  return { now: mebibytes('VmRSS'), peak: mebibytes('VmHWM') };
}

/** From here on the kernel counts the peak of a process' resident memory anew (proc(5), clear_refs). */
export function forgetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

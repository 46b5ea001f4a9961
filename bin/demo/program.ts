import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CancelledError, PixlError } from '../../src/core/errors.js';
import { printLine } from '../output.js';

/** A command of ours that the demo ran did not do its work. */
export class DemoCommandError extends PixlError {
  readonly code = 'DEMO_COMMAND';
  readonly retry = 'never';

  constructor(command: string, problem: string) {
    super(`pixl-imaging ${command}: ${problem}`);
  }
}

const PROGRAM = fileURLToPath(new URL('../pixl-imaging.js', import.meta.url));
/** They say what they do as they go, and a busy machine makes them slow. */
const COMMAND_TIMEOUT_MS = 600_000;
/** The daemon is told with SIGTERM, and killed when it has not ended after so long. */
const STOP_TIMEOUT_MS = 40_000;

/** Runs this program's own commands, in processes of their own, as a user would type them. */
export class Program {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #folder: string;
  readonly #signal: AbortSignal;

  /** @param folder where they run */
  constructor(settings: Readonly<Record<string, string>>, folder: string, signal: AbortSignal) {
    // What is set for a site of the user's own is not for the demo.
    const { PATH, HOME, TERM } = process.env;
    const kept = Object.entries({ PATH, HOME, TERM }).filter(([, value]) => value !== undefined);
    this.#environment = { ...Object.fromEntries(kept), ...settings };
    this.#folder = folder;
    this.#signal = signal;
  }

  /** Runs a command and shows what it prints. @throws DemoCommandError, CancelledError */
  async show(...args: string[]): Promise<void> {
    printLine(`\n$ pixl-imaging ${args.join(' ')}`);
    await this.#run(args, 'inherit');
  }

  /** @returns what it printed, which is JSON */
  async json(...args: string[]): Promise<unknown> {
    return JSON.parse(await this.#run([...args, '--json'], 'pipe')) as unknown;
  }

  /** Starts the daemon; what it logs goes to `logFile`. */
  startDaemon(args: readonly string[], logFile: string): RunningDaemon {
    const log = openSync(logFile, 'w');
    try {
      return new RunningDaemon(
        spawn(process.execPath, [PROGRAM, ...args], {
          cwd: this.#folder,
          env: this.#environment,
          stdio: ['ignore', log, log],
        }),
      );
    } finally {
      closeSync(log);
    }
  }

  async #run(args: readonly string[], output: 'inherit' | 'pipe'): Promise<string> {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ['ignore', output, 'inherit'],
      signal: this.#signal,
      timeout: COMMAND_TIMEOUT_MS,
    });
    const pieces: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
    let code: number | null;
    try {
      [code] = (await once(child, 'close')) as [number | null];
    } catch (error) {
      if (this.#signal.aborted) throw new CancelledError('demo');
      throw new DemoCommandError(args.join(' '), (error as NodeJS.ErrnoException).code ?? 'did not start');
    }
    if (code !== 0) throw new DemoCommandError(args.join(' '), `ended with ${code ?? 'a signal'}`);
    return Buffer.concat(pieces).toString();
  }
}

/** The daemon that the demo started. */
export class RunningDaemon {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('close', resolve);
      child.once('error', resolve);
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** What the system has given it so far, where that can be read (Linux), in any unit; else nothing. */
  processorTime(): string {
    try {
      // proc_pid_stat(5): utime and stime are the 14th and the 15th; the second may hold blanks.
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1');
      return stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).join('+');
    } catch {
      return '';
    }
  }

  async stop(): Promise<void> {
    const killing = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    this.#child.kill('SIGTERM');
    await this.#ended;
    clearTimeout(killing);
  }
}

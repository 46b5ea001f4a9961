import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectNoCanary } from './canary.js';
import { projectRoot } from './fixtures.js';
import { patience } from './patience.js';
import { runMark } from './supervisor.js';
import { tempDir } from './temp-dir.js';

/** The built program, as `npm install` would link it. */
export const PROGRAM = join(projectRoot, 'dist', 'bin', 'pixl-imaging.js');

/** Patience (see patience.ts) with a command, or with what is done beside one that runs on. */
const COMMAND_MS = 240_000;

export interface CliOptions {
  /** All that the program sees besides PATH and LOG_LEVEL=debug; nothing of the caller's environment reaches it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: an empty folder of its own, so that no `.env` is picked up. */
  readonly cwd?: string;
  readonly input?: string;
  /** Standard error is a terminal (by util-linux' script); standard output is a file. */
  readonly tty?: boolean;
  /** For what takes more than minutes even on a quick, idle machine. */
  readonly timeoutMs?: number;
}

export interface CliResult {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
  /** Standard output as the one JSON document that it must be. */
  readonly json: () => unknown;
}

/** Whose standard output is for people who may see identifiers (docs/security.md). */
const SHOW_IDENTIFIERS: ReadonlySet<string> = new Set(['find', 'pull', 'report', 'upload-study']);

/** A command that runs. */
export interface RunningCli {
  readonly pid: number | undefined;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  /** @throws when it takes longer than it may (it is killed then), or has shown an identifier or a secret. */
  readonly ended: Promise<CliResult>;
}

/** Starts `pixl-imaging` as its user would, with an environment built from nothing. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const { input = '', tty = false } = options;
  const timeoutMs = patience(Math.max(options.timeoutMs ?? 0, COMMAND_MS));
  const dir = tempDir('cli');
  const outFile = join(dir.path, 'stdout');
  const [command, commandArgs] = tty ? onTerminal(args, outFile) : [process.execPath, [PROGRAM, ...args]];
  const startedAt = performance.now();
  const child = spawn(command, commandArgs, {
    cwd: options.cwd ?? dir.path,
    env: {
      PATH: process.env['PATH'] ?? '',
      LOG_LEVEL: 'debug',
      ...runMark(),
      ...(tty ? { SHELL: '/bin/sh' } : {}),
      ...options.env,
    },
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => undefined); // a command that reads no input may close it
  child.stdin.end(input);
  const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
  // With `script` what comes out of its standard output is the terminal, so the program's standard error.
  const stdout = (): string => (tty ? (existsSync(outFile) ? readFileSync(outFile, 'utf8') : '') : text(out));
  const stderr = (): string => (tty ? text(out) : text(err));

  const killNow = (): void => void child.kill('SIGKILL');
  process.once('exit', killNow);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killNow();
  }, timeoutMs);
  const running = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const result = { code, signal, stdout: stdout(), stderr: stderr() };
      const told = `stdout:\n${result.stdout.slice(-2000)}\nstderr:\n${result.stderr.slice(-2000)}`;
      if (late) reject(new Error(`pixl-imaging ${args[0] ?? ''} took longer than ${timeoutMs} ms; ${told}`));
      const ms = performance.now() - startedAt;
      resolve({ ...result, ms, json: () => JSON.parse(result.stdout) as unknown });
    });
  });
  const ended = running
    .finally(() => {
      clearTimeout(timer);
      process.off('exit', killNow);
      dir.remove();
    })
    .then((result) => withoutCanaries(args[0] ?? '', result));
  return { pid: child.pid, stdout, stderr, kill: (signal) => void child.kill(signal), ended };
}

/** @throws when what a command wrote shows an identifier or a secret that it must not show */
function withoutCanaries(command: string, result: CliResult): CliResult {
  expectNoCanary(result.stderr, `pixl-imaging ${command}, standard error`);
  if (!SHOW_IDENTIFIERS.has(command))
    expectNoCanary(result.stdout, `pixl-imaging ${command}, standard output`);
  return result;
}

/** Runs a command to its end, whatever its exit code. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).ended;
}

/** `-e`: script ends with the command's exit code. */
function onTerminal(args: readonly string[], outFile: string): [string, string[]] {
  const quoted = [process.execPath, PROGRAM, ...args].map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`);
  return ['script', ['-qefc', `${quoted.join(' ')} > '${outFile}'`, '/dev/null']];
}

interface Address {
  readonly aeTitle: string;
  readonly port: number;
}

/** The environment that names nodes on 127.0.0.1; what is left out is not configured. */
export function nodesEnv(
  nodes: Partial<Readonly<Record<'primary' | 'secondary' | 'raw' | 'anon', Address>>>,
): Record<string, string> {
  const env: Record<string, string> = { PIXL_IMAGING_API_RATE: 'unlimited' };
  for (const name of ['primary', 'secondary'] as const) {
    const node = nodes[name];
    if (node === undefined) continue;
    const prefix = `${name.toUpperCase()}_DICOM_SOURCE`;
    env[`${prefix}_AE_TITLE`] = node.aeTitle;
    env[`${prefix}_IP_ADDR`] = '127.0.0.1';
    env[`${prefix}_PORT`] = `${node.port}`;
  }
  for (const name of ['raw', 'anon'] as const) {
    const node = nodes[name];
    if (node === undefined) continue;
    const prefix = `ORTHANC_${name.toUpperCase()}`;
    env[`${prefix}_AE_TITLE`] = node.aeTitle;
    env[`${prefix}_DICOM_HOST`] = '127.0.0.1';
    env[`${prefix}_DICOM_PORT`] = `${node.port}`;
  }
  return env;
}

/** The environment that names a broker on 127.0.0.1. */
export function brokerEnv(broker: {
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
}): Record<string, string> {
  const { port, username = 'guest', password = 'guest' } = broker;
  return {
    RABBITMQ_HOST: '127.0.0.1',
    RABBITMQ_PORT: `${port}`,
    RABBITMQ_USERNAME: username,
    RABBITMQ_PASSWORD: password,
  };
}

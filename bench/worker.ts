import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../test/support/fixtures.js';
import type { FastPorts } from './fast-peers.js';

export type Task =
  | { readonly kind: 'deliver'; readonly studyInstanceUid: string }
  | { readonly kind: 'find'; readonly node: 'primary' | 'raw'; readonly studyInstanceUid: string }
  | { readonly kind: 'relay'; readonly ports: FastPorts }
  | { readonly kind: 'copy'; readonly ports: FastPorts };

export type Answer = { readonly value: number } | { readonly error: string };

/** A process that does nothing but what is measured; started when it is first needed. */
export class Worker {
  readonly #env: Readonly<Record<string, string>>;
  #child: Promise<ChildProcess> | undefined;

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
  }

  async pid(): Promise<number> {
    const { pid } = await this.#started();
    if (pid === undefined) throw new Error('a worker without a process');
    return pid;
  }

  /** @throws when it answers with another number, or an error */
  async perform(task: Task, expected: number): Promise<void> {
    const child = await this.#started();
    const ended = new AbortController();
    const gone = once(child, 'exit', { signal: ended.signal }).then(([code]: (number | null)[]) => {
      throw new Error(`the worker has ended (${code ?? 'killed'})`);
    });
    gone.catch(() => undefined);
    child.send(task);
    const [answer] = (await Promise.race([once(child, 'message'), gone])) as [Answer];
    ended.abort();
    if ('error' in answer) throw new Error(`${task.kind}: ${answer.error}`);
    if (answer.value !== expected) throw new Error(`${task.kind}: ${answer.value} of ${expected}`);
  }

  async close(): Promise<void> {
    const child = await this.#child;
    if (child !== undefined) await endModule(child);
  }

  #started(): Promise<ChildProcess> {
    return (this.#child ??= startModule('worker-main', this.#env).then(([child]) => child));
  }
}

/** Starts a module of bench/ in a process of its own; resolves with its first message. It ends with this process. */
export async function startModule(
  module: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<[child: ChildProcess, message: unknown]> {
  const child = fork(join(projectRoot, 'dist', 'bench', `${module}.js`), [...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    execArgv: process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? [],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const early = once(child, 'exit').then(() => {
    throw new Error(`${module} ended before it was ready`);
  });
  early.catch(() => undefined);
  const [message] = (await Promise.race([once(child, 'message'), early])) as [unknown];
  return [child, message];
}

/** Ends the process of a module, unless it has ended. */
export async function endModule(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill();
  await gone;
}

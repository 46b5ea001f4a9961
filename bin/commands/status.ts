import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/api/index.js';
import { Closers } from '../../src/core/closers.js';
import { ApiClient, ApiUnreachableError } from '../api-client.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { clearScreen, printJson, printLine, printRemark, printTable } from '../output.js';
import { cancelledBySignals } from '../signals.js';
import { rateText } from './rate-command.js';

export interface StatusOptions {
  readonly queues?: readonly string[];
  readonly watch?: true;
  readonly every: number;
  readonly json?: true;
}

export async function status(options: StatusOptions): Promise<ExitCode> {
  const client = new ApiClient(readConfig().api);
  if (options.watch === true) return watch(client, options);
  const shown = narrowed(await client.status(), options.queues);
  if (shown === undefined) return Exit.NotFound;
  if (options.json === true) printJson(shown);
  else printStatus(shown);
  return Exit.Done;
}

async function watch(client: ApiClient, options: StatusOptions): Promise<ExitCode> {
  const closers = new Closers();
  try {
    return await cancelledBySignals(async (signal) => {
      for (;;) {
        if (!(await showOnce(client, options))) return Exit.NotFound;
        await sleep(options.every * 1000, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return Exit.Done;
      }
    }, closers);
  } finally {
    await closers.closeAll();
  }
}

/** @returns false when a queue is unknown. A daemon that is away may come back: it is said, and not the end. */
async function showOnce(client: ApiClient, { queues, json }: StatusOptions): Promise<boolean> {
  let shown: Status | undefined;
  try {
    shown = narrowed(await client.status(), queues);
    if (shown === undefined) return false;
  } catch (error) {
    if (!(error instanceof ApiUnreachableError)) throw error;
    printRemark(error.message);
    return true;
  }
  if (json === true) printLine(JSON.stringify(shown));
  else {
    if (process.stdout.isTTY) clearScreen();
    else printLine('');
    printLine(timeNow());
    printStatus(shown);
  }
  return true;
}

/** Only the queues that are asked for; undefined, and said, when the daemon has no such queue. */
function narrowed(all: Status, names: readonly string[] | undefined): Status | undefined {
  if (names === undefined) return all;
  const unknown = names.filter((name) => !all.queues.some((queue) => queue.name === name));
  if (unknown.length > 0) {
    const known = all.queues.map((queue) => queue.name).join(', ');
    printRemark(`error: the daemon has no queue ${unknown.join(', ')}; it has: ${known}`);
    return undefined;
  }
  return { ...all, queues: all.queues.filter((queue) => names.includes(queue.name)) };
}

function printStatus({ queues, studies, outcomes }: Status): void {
  printTable(
    ['queue', 'waiting', 'in flight', 'consumers', 'rate', 'state', 'reason'],
    queues.map((queue) => [
      queue.name,
      queue.depth ?? 'unknown',
      queue.in_flight,
      queue.consumers ?? 'unknown',
      rateText(queue.rate),
      queue.state,
      queue.reason ?? '',
    ]),
  );
  if (studies.length > 0) {
    printLine('');
    printTable(
      ['study', 'archive', 'step', 'images'],
      studies.map((study) => [
        study.study,
        study.archive,
        study.step,
        `${study.images_done} of ${study.images_expected}`,
      ]),
    );
  }
  const ended = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  printLine('');
  printLine(ended.length === 0 ? 'no message has ended yet' : `messages that ended: ${ended.join(', ')}`);
}

function timeNow(): string {
  return new Date().toLocaleTimeString('en-GB');
}

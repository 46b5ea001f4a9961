import { Closers } from '../../src/core/closers.js';
import type { Config } from '../../src/core/config/index.js';
import {
  BrokerRefusedError,
  defaultRetryPolicy,
  delayQueueName,
  purgeQueue,
  retryDelayMs,
  type BrokerConnection,
} from '../../src/queue/index.js';
import { ApiClient } from '../api-client.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine } from '../output.js';
import { backingFor } from '../backing.js';
import { confirm } from '../confirm.js';
import { START_TIMEOUT_MS } from '../failed-messages.js';
import { commandLoggerFor } from '../logging.js';
import { rateSetText, setRates, withKnownQueues } from './rate-command.js';

export interface StopOptions {
  readonly queues?: readonly string[];
  readonly purge?: true;
  readonly yes?: true;
  readonly embedded?: true;
  readonly json?: true;
}

interface Purged {
  readonly queue: string;
  readonly purged: number;
}

export function stop(options: StopOptions): Promise<ExitCode> {
  return withKnownQueues(() => stopAndPurge(options));
}

async function stopAndPurge(options: StopOptions): Promise<ExitCode> {
  const config = readConfig();
  const api = new ApiClient(config.api);
  if (options.purge === true) {
    for (const queue of options.queues ?? []) await api.rate(queue); // nobody is asked about what is not there
    await confirm('stop --purge', 'throws away what waits on the queues', options.yes === true);
  }
  const set = await setRates(api, 0, options.queues);
  // Only now: a daemon that still ran would take what is to be thrown away.
  const purged =
    options.purge === true
      ? await purge(
          config,
          options.embedded === true,
          options.queues ?? [config.queues.primary, config.queues.secondary],
        )
      : [];
  if (options.json === true) printJson({ stopped: set.map(({ queue }) => queue), purged });
  else {
    for (const one of set) printLine(rateSetText(one));
    for (const one of purged) printLine(`${one.queue}: ${one.purged} messages thrown away`);
  }
  return Exit.Done;
}

async function purge(
  config: Config,
  embedded: boolean,
  queues: readonly string[],
): Promise<readonly Purged[]> {
  const closers = new Closers();
  try {
    const backing = backingFor(config, embedded, commandLoggerFor(config), closers);
    const connection = await backing.broker({ startTimeoutMs: START_TIMEOUT_MS });
    const results: Purged[] = [];
    for (const queue of queues) {
      let purged = 0;
      for (const name of [queue, ...delayQueues(config, queue)])
        purged += await purgeIfThere(connection, name);
      results.push({ queue, purged });
    }
    return results;
  } finally {
    await closers.closeAll();
  }
}

/** Messages that wait for another attempt would come back to the queue. */
function delayQueues(config: Config, queue: string): readonly string[] {
  const policy = { ...defaultRetryPolicy, maxAttempts: config.limits.maxAttempts };
  const names = new Set<string>();
  for (let attempt = 1; attempt < policy.maxAttempts; attempt += 1)
    names.add(delayQueueName(queue, retryDelayMs(policy, attempt)));
  return [...names];
}

async function purgeIfThere(connection: BrokerConnection, queue: string): Promise<number> {
  try {
    return await purgeQueue(connection, queue);
  } catch (error) {
    if (error instanceof BrokerRefusedError && error.replyCode === 404) return 0;
    throw error;
  }
}

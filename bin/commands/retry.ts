import { Closers } from '../../src/core/closers.js';
import type { Config } from '../../src/core/config/index.js';
import {
  declareQueue,
  hasOrigin,
  lookThroughFailed,
  retryFailed,
  type BrokerConnection,
  type FailedMessage,
  type RetryFailedResult,
} from '../../src/queue/index.js';
import { backingFor } from '../backing.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { matchesFilter, START_TIMEOUT_MS, type FailedFilter } from '../failed-messages.js';
import { commandLoggerFor } from '../logging.js';
import { printJson, printLine } from '../output.js';
import { cancelledBySignals } from '../signals.js';

export interface RetryOptions extends FailedFilter {
  readonly export?: true;
  readonly limit?: number;
  readonly dryRun?: true;
  readonly json?: true;
  readonly embedded?: true;
}

export async function retry(options: RetryOptions): Promise<ExitCode> {
  const config = readConfig();
  const closers = new Closers();
  try {
    const backing = backingFor(config, options.embedded === true, commandLoggerFor(config), closers);
    const connection = await backing.broker({ startTimeoutMs: START_TIMEOUT_MS });
    // Before the daemon's first start there is no failed queue; that is nothing to move, and no failure.
    await declareQueue(connection, config.queues.failed);
    const result = await cancelledBySignals(
      (signal) => (options.dryRun === true ? wouldMove : move)(connection, config, options, signal),
      closers,
    );
    print(result, options, config);
    return Exit.Done;
  } finally {
    await closers.closeAll();
  }
}

function isWanted(message: FailedMessage, options: RetryOptions, { queues }: Config): boolean {
  return (options.export !== true || message.queue === queues.export) && matchesFilter(message, options);
}

function move(
  connection: BrokerConnection,
  config: Config,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<RetryFailedResult> {
  return retryFailed({
    connection,
    failedQueue: config.queues.failed,
    match: (message) => isWanted(message, options, config),
    ...(options.limit === undefined ? {} : { limit: options.limit }),
    signal,
  });
}

/** The same numbers, with all messages left where they are. A queue that they came from may be none any more. */
async function wouldMove(
  connection: BrokerConnection,
  config: Config,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<RetryFailedResult> {
  const failedQueue = config.queues.failed;
  const byQueue: Record<string, number> = {};
  let moved = 0;
  const { left } = await lookThroughFailed({
    connection,
    failedQueue,
    signal,
    visit: (message) => {
      const { queue } = message;
      const fits = hasOrigin(message, failedQueue) && isWanted(message, options, config);
      if (queue !== null && fits && moved < (options.limit ?? Infinity)) {
        moved += 1;
        byQueue[queue] = (byQueue[queue] ?? 0) + 1;
      }
      return 'keep';
    },
  });
  return { moved, left: left - moved, byQueue };
}

function print({ moved, left, byQueue }: RetryFailedResult, options: RetryOptions, config: Config): void {
  if (options.json === true) {
    printJson({ moved, left, by_queue: byQueue, ...(options.dryRun === true ? { dry_run: true } : {}) });
    return;
  }
  const verb = options.dryRun === true ? 'would be moved' : 'moved';
  for (const [queue, count] of Object.entries(byQueue)) printLine(`${count} ${verb} to ${queue}`);
  printLine(`${moved} ${verb}, ${left} left in ${config.queues.failed}`);
}

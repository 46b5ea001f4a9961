import { Closers } from '../../src/core/closers.js';
import { MessageRejectedError, parseImagingMessage } from '../../src/core/message.js';
import { declareQueue, retryFailed, type FailedMessage } from '../../src/queue/index.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine } from '../output.js';
import { backingFor } from '../backing.js';
import { cancelledBySignals } from '../signals.js';
import { loggerFor } from '../logging.js';

/** Somebody is waiting at the terminal: a broker that is away is told soon. */
const START_TIMEOUT_MS = 5_000;

export interface RetryOptions {
  readonly reason?: string;
  readonly project?: string;
  readonly limit?: number;
  readonly json?: true;
  readonly embedded?: true;
}

export async function retry(options: RetryOptions): Promise<ExitCode> {
  const config = readConfig();
  const closers = new Closers();
  try {
    const backing = backingFor(config, options.embedded === true, loggerFor(config), closers);
    const connection = await backing.broker({ startTimeoutMs: START_TIMEOUT_MS });
    // Before the daemon's first start there is no failed queue; that is nothing to move, and no failure.
    await declareQueue(connection, config.queues.failed);
    const result = await cancelledBySignals(
      (signal) =>
        retryFailed({
          connection,
          failedQueue: config.queues.failed,
          match: (message) => matches(message, options),
          ...(options.limit === undefined ? {} : { limit: options.limit }),
          signal,
        }),
      closers,
    );
    if (options.json === true)
      printJson({ moved: result.moved, left: result.left, by_queue: result.byQueue });
    else {
      for (const [queue, count] of Object.entries(result.byQueue)) printLine(`${count} moved to ${queue}`);
      printLine(`${result.moved} moved, ${result.left} left in ${config.queues.failed}`);
    }
    return Exit.Done;
  } finally {
    await closers.closeAll();
  }
}

function matches(message: FailedMessage, { reason, project }: RetryOptions): boolean {
  if (project !== undefined && projectOf(message) !== project) return false;
  if (reason === undefined) return true;
  return message.outcome === reason || message.code === reason || message.reason?.includes(reason) === true;
}

function projectOf(message: FailedMessage): string | null {
  try {
    return parseImagingMessage(message.body).projectName;
  } catch (error) {
    if (error instanceof MessageRejectedError) return null;
    throw error;
  }
}

import { once } from 'node:events';
import { Closers } from '../../src/core/closers.js';
import type { Config } from '../../src/core/config/index.js';
import { CancelledError } from '../../src/core/errors.js';
import { consume, defaultRetryPolicy } from '../../src/queue/index.js';
import { broker } from '../broker.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { cancelledBySignals } from '../signals.js';
import { UsageError } from '../usage-error.js';
import { loadUserHandler } from '../user-handler.js';
import { loggerFor } from '../logging.js';

export interface ConsumeCommandOptions {
  readonly queue: string;
  readonly handler: string;
  readonly prefetch?: number;
}

/** What of PIXL_SHUTDOWN_GRACE a handler has, once its signal is aborted, to come to an end. */
const ABORT_GRACE_MS = 5_000;

export async function runHandler(options: ConsumeCommandOptions): Promise<ExitCode> {
  const config = readConfig();
  if (options.queue === config.queues.failed)
    throw new UsageError(`${options.queue} is where failed messages are kept; use retry to move them back`);
  const closers = new Closers();
  try {
    return await cancelledBySignals((signal) => consumeUntil(signal, config, options, closers), closers);
  } finally {
    await closers.closeAll();
  }
}

async function consumeUntil(
  signal: AbortSignal,
  config: Config,
  { queue, handler: file, prefetch: atATime = config.limits.messagesInFlight }: ConsumeCommandOptions,
  closers: Closers,
): Promise<ExitCode> {
  const log = loggerFor(config);
  const { handler, close } = await loadUserHandler(file, log);
  closers.add('handler', close);
  try {
    const connection = await broker(config, log, closers, { startTimeoutMs: Infinity, startSignal: signal });
    const { shutdownGraceMs } = config.timeouts;
    const abortGraceMs = Math.min(ABORT_GRACE_MS, shutdownGraceMs);
    const consumer = await consume({
      connection,
      queue,
      handler,
      prefetch: atATime,
      failedQueue: config.queues.failed,
      retryPolicy: { ...defaultRetryPolicy, maxAttempts: config.limits.maxAttempts },
      shutdownGraceMs: shutdownGraceMs - abortGraceMs,
      abortGraceMs,
      log,
    });
    closers.add('consumer', () => consumer.close());
    log.info({ queue }, 'ready');
    if (!signal.aborted) await once(signal, 'abort');
    log.info({ queue }, 'stopping');
  } catch (error) {
    // Told to stop while there was no broker yet: nothing had begun.
    if (!(error instanceof CancelledError && signal.aborted)) throw error;
  }
  return Exit.Done;
}

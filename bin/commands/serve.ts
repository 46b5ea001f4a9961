import { once } from 'node:events';
import type { Command } from 'commander';
import { Closers } from '../../src/core/closers.js';
import { secondaryArchive, type Config } from '../../src/core/config/index.js';
import { CancelledError } from '../../src/core/errors.js';
import type { ArchiveName } from '../../src/core/outcome.js';
import { imagingHandler, logRecorder } from '../../src/pipeline/index.js';
import { consume, defaultRetryPolicy, type QueueConsumer } from '../../src/queue/index.js';
import { broker } from '../broker.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { journeyParts, loggerFor, namesFor } from '../wiring.js';

/**
 * What of PIXL_SHUTDOWN_GRACE is kept for work that is cancelled: a C-MOVE may take 5 s to say so before it is aborted,
 * an archive that hangs another 5 s until its connection is given up (ARTIM), and the connections are closed then.
 */
const ABORT_GRACE_MS = 12_000;

export function addServeCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('serve')
    .description('The daemon: works on the messages of the imaging queues until it gets SIGTERM or SIGINT.')
    .addHelpText('after', '\nExample:\n  $ PIXL_AE_TITLE=PIXL pixl-imaging serve')
    .action(async () => done(await serve()));
}

async function serve(): Promise<ExitCode> {
  const config = readConfig('primary', 'raw', 'delivery');
  const log = loggerFor(config);
  const closers = new Closers();
  const stop = stopSignal(closers);
  try {
    const parts = journeyParts(
      config,
      {
        deliver: config.delivery.enabled,
        projectTag: config.delivery.projectTag,
        onProgress: () => undefined,
        log,
      },
      closers,
    );
    const connection = await broker(config, log, closers, { startTimeoutMs: Infinity, startSignal: stop });
    const recorder = logRecorder(log, namesFor(config));
    const consumers: QueueConsumer[] = [];
    closers.add('consumers', async () => {
      await Promise.all(consumers.map((consumer) => consumer.close())); // at once: all of them within one grace
    });
    const { shutdownGraceMs } = config.timeouts;
    const abortGraceMs = Math.min(ABORT_GRACE_MS, shutdownGraceMs);
    for (const archive of archivesOf(config)) {
      const consumer = await consume({
        connection,
        queue: config.queues[archive],
        prefetch: config.limits.messagesInFlight,
        handler: imagingHandler(archive, config.queues, parts, recorder),
        failedQueue: config.queues.failed,
        retryPolicy: { ...defaultRetryPolicy, maxAttempts: config.limits.maxAttempts },
        shutdownGraceMs: shutdownGraceMs - abortGraceMs,
        abortGraceMs,
        log,
      });
      consumers.push(consumer);
    }
    log.info({ queues: archivesOf(config).map((archive) => config.queues[archive]) }, 'ready');
    if (!stop.aborted) await once(stop, 'abort');
    log.info({}, 'stopping');
    return Exit.Done;
  } catch (error) {
    // Told to stop while there was no broker yet: nothing had begun.
    if (error instanceof CancelledError && stop.aborted) return Exit.Done;
    throw error;
  } finally {
    await closers.closeAll();
    log.info({}, 'stopped');
  }
}

/** Without a secondary archive nobody could work on its queue, so its messages are left there. */
function archivesOf(config: Config): ArchiveName[] {
  return secondaryArchive(config) === null ? ['primary'] : ['primary', 'secondary'];
}

/** Aborted by the first SIGTERM or SIGINT; a second one ends the process as if nothing were handled. */
function stopSignal(closers: Closers): AbortSignal {
  const controller = new AbortController();
  const onSignal = (): void => {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
    controller.abort();
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  closers.add('signal handlers', () => {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  });
  return controller.signal;
}

import { once } from 'node:events';
import {
  addProcessMetrics,
  collectStatus,
  createMetrics,
  startApi,
  type QueueSource,
  type RateService,
} from '../../src/api/index.js';
import { acknowledgedInMemory } from '../../src/core/acknowledgements.js';
import { Closers } from '../../src/core/closers.js';
import { secondaryArchive, type Config } from '../../src/core/config/index.js';
import {
  defaultHoldPolicy,
  acknowledgementsWithRetry,
  DatabaseAcknowledgements,
  DeliveredOriginals,
  FoundStudies,
  Ledger,
  migrateUp,
  originalsWithRetry,
  recordWithRetry,
  untilDatabase,
  type Database,
} from '../../src/core/db/index.js';
import { CancelledError, InternalError } from '../../src/core/errors.js';
import type { Gate } from '../../src/core/gate.js';
import { parseAllowedHours } from '../../src/core/hours.js';
import type { Logger } from '../../src/core/log.js';
import { keepsNoOriginals } from '../../src/core/originals.js';
import type { ArchiveName } from '../../src/core/outcome.js';
import { Rates } from '../../src/core/rates.js';
import {
  ArchiveDuty,
  imagingHandler,
  logRecorder,
  metricsRecorder,
  recordInTurn,
  RunningStudies,
  StoreDuty,
  type Archive,
  type JourneyParts,
} from '../../src/pipeline/index.js';
import {
  consume,
  defaultRetryPolicy,
  Publisher,
  queueDepth,
  type ConsumeOptions,
  type QueueConsumer,
} from '../../src/queue/index.js';
import { automaticExport, exportsByItself, unlimited } from '../automatic-export.js';
import { withEmbeddedStores } from '../embedded-stores.js';
import { readConfig } from '../environment.js';
import { patientDataExporter } from '../export-patient-data.js';
import { dicomExporter } from '../export-study.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { backingFor, servedBacking, type Backing } from '../backing.js';
import { journeyParts } from '../journey.js';
import { messageEncoder, messagePublisher } from '../publish-messages.js';
import { rateStore } from '../rate-store.js';
import { stopSignal } from '../signals.js';
import { version } from '../version.js';
import { loggerFor, namesFor } from '../logging.js';

/**
 * What of PIXL_SHUTDOWN_GRACE is kept for work that is cancelled: a C-MOVE may take 5 s to say so before it is aborted,
 * an archive that hangs another 5 s until its connection is given up (ARTIM), and the connections are closed then.
 */
const ABORT_GRACE_MS = 12_000;

export async function serve(embedded: boolean): Promise<ExitCode> {
  const config = embedded ? readConfig('primary', 'api') : readConfig('primary', 'raw', 'delivery', 'api');
  const log = loggerFor(config);
  const closers = new Closers();
  const stop = stopSignal(closers);
  try {
    const api = await (embedded ? startEmbeddedDaemon : startUsualDaemon)(config, log, stop, closers);
    log.info({ queues: archivesOf(config).map((archive) => config.queues[archive]), api }, 'ready');
    if (!stop.aborted) await once(stop, 'abort');
    log.info({}, 'stopping');
    return Exit.Done;
  } catch (error) {
    // Told to stop while there was no broker or no database yet: nothing had begun.
    if (error instanceof CancelledError && stop.aborted) return Exit.Done;
    throw error;
  } finally {
    await closers.closeAll();
    log.info({}, 'stopped');
  }
}

/** On the configured database and broker. @returns the URL of the HTTP API */
async function startUsualDaemon(
  config: Config,
  log: Logger,
  stop: AbortSignal,
  closers: Closers,
): Promise<string> {
  const backing = backingFor(config, false, log, closers);
  const books = await openBooks(config, backing, log, stop);
  return startDaemon(config, books, backing, log, stop, closers);
}

/** On nothing but a folder. @returns the URL of the HTTP API */
async function startEmbeddedDaemon(
  config: Config,
  log: Logger,
  stop: AbortSignal,
  closers: Closers,
): Promise<string> {
  const backing = await servedBacking(config, log, closers, stop);
  const books = await backing.database();
  const stores = await withEmbeddedStores(config, books, log, closers);
  const whole = { ...stores, autoExport: exportsByItself(config, true) };
  return startDaemon(whole, books, backing, log, stop, closers);
}

async function startDaemon(
  config: Config,
  books: Database | null,
  backing: Backing,
  log: Logger,
  stop: AbortSignal,
  closers: Closers,
): Promise<string> {
  const studies = new RunningStudies();
  const queues: QueueSource[] = [];
  const { metrics, registry } = createMetrics(
    {
      queues: () =>
        Promise.all(queues.map(async ({ name, depth }) => ({ queue: name, depth: (await depth()).depth }))),
      consumers: () =>
        queues.map(({ name, consumer }) => ({ queue: name, isRunning: consumer().state === 'running' })),
      limiters: () =>
        queues.flatMap(({ name, rate, limiter }) => {
          if (limiter === null) return [];
          const { available, waiting } = limiter();
          return [{ queue: name, rate: rate(), available: available ?? Infinity, waiting }];
        }),
    },
    log,
  );
  addProcessMetrics(registry);
  const { enabled: deliver, projectTag } = config.delivery;
  const originals =
    books === null
      ? keepsNoOriginals
      : originalsWithRetry(new DeliveredOriginals(books), defaultHoldPolicy, log);
  const parts = await journeyParts(
    config,
    { deliver, projectTag, observer: studies, metrics, originals, log },
    closers,
  );
  const limiters = new Map(
    archivesOf(config).map((name) => [config.queues[name], archiveOf(parts, name).limiter]),
  );
  const rates = new Rates(limiters, books === null ? null : rateStore(books), log);
  closers.add('rates', () => rates.close());
  await untilDatabase('rates', () => rates.restore(), { log, signal: stop });

  const connection = await backing.broker({ startTimeoutMs: Infinity, startSignal: stop });
  const publisher = new Publisher({ connection });
  closers.add('publisher', () => publisher.close());
  const ledger = books === null ? null : new Ledger(books);
  const recorder = recordInTurn(
    logRecorder(log, namesFor(config)),
    ...(books === null || ledger === null
      ? []
      : [ledger, new FoundStudies(books)].map((one) => recordWithRetry(one, defaultHoldPolicy, log))),
    metricsRecorder(metrics),
  );
  const acknowledgements =
    books === null
      ? acknowledgedInMemory()
      : acknowledgementsWithRetry(new DatabaseAcknowledgements(books), defaultHoldPolicy, log);
  const consumers: QueueConsumer[] = [];
  const duties: ArchiveDuty[] = [];
  const stores = storeDuties(parts, config);
  closers.add('consumers', async () => {
    const closing = consumers.map((consumer) => consumer.close()); // at once: all of them within one grace
    for (const duty of [...duties, ...stores]) duty.close(); // what waits for an archive needs no grace
    await Promise.all(closing);
  });
  const { shutdownGraceMs } = config.timeouts;
  const abortGraceMs = Math.min(ABORT_GRACE_MS, shutdownGraceMs);
  const common = {
    connection,
    failedQueue: config.queues.failed,
    retryPolicy: { ...defaultRetryPolicy, maxAttempts: config.limits.maxAttempts },
    shutdownGraceMs: shutdownGraceMs - abortGraceMs,
    abortGraceMs,
    log,
  };
  const begin = async (
    gate: Gate,
    work: Pick<ConsumeOptions, 'queue' | 'prefetch' | 'handler'>,
    shown: Pick<QueueSource, 'remark' | 'rate' | 'limiter'>,
  ): Promise<void> => {
    const { reason } = gate;
    const consumer = await consume({ ...common, ...work, ...(reason === null ? {} : { pausedFor: reason }) });
    consumers.push(consumer);
    follow(gate, consumer);
    queues.push({
      ...shown,
      name: work.queue,
      consumer: () => consumer.state(),
      depth: () => queueDepth(connection, work.queue),
    });
  };
  const exporting = exportsOf(config, parts, stores, books, ledger, log);
  for (const name of archivesOf(config)) {
    const queue = config.queues[name];
    const { client, limiter } = archiveOf(parts, name);
    const duty = new ArchiveDuty({
      client,
      limiter,
      stores,
      hours: parseAllowedHours(config.hours[name]),
      timeZone: config.hours.timeZone,
      maxInFlight: config.limits.messagesInFlight,
      queryTimeoutMs: config.timeouts.queryMs,
    });
    duties.push(duty);
    const handler = imagingHandler(
      name,
      duty,
      { secondary: config.queues.secondary, export: exporting?.queue ?? null },
      parts,
      recorder,
      acknowledgements,
    );
    await begin(
      duty.gate,
      { queue, prefetch: config.limits.messagesInFlight, handler },
      {
        remark: () => duty.remark,
        rate: () => rates.get(queue),
        limiter: () => archiveOf(parts, name).limiter.state(),
      },
    );
  }
  if (exporting !== null) {
    const { duty, ...work } = exporting;
    closers.add('export duty', () => duty.close());
    await begin(duty.gate, work, unlimited);
  }
  const nameOf = namesFor(config);
  const api = await startApi({
    host: config.api.host,
    port: config.api.port,
    token: config.api.token,
    services: {
      publishMessages: messagePublisher(
        connection,
        publisher,
        config.queues.primary,
        messageEncoder(config.messageFormat),
      ),
      rates: lookingAgain(rates, exporting === null ? duties : [...duties, exporting.duty]),
      exportDicom: dicomExporter(
        config,
        { anon: parts.anon, raw: parts.raw, database: books, log, signal: stop },
        closers,
      ),
      exportPatientData: patientDataExporter(config, books, log, stop),
      status: () =>
        collectStatus({
          queues,
          studies: () => studies.list(),
          nameOf,
          outcomes: () => (ledger === null ? Promise.resolve({}) : ledger.totals()),
        }),
      metrics: registry,
    },
    log,
    version: version(),
    limits: { requestsPerSecond: config.api.requestsPerSecond },
  });
  closers.add('HTTP API', () => api.close());
  return api.url;
}

/** The consumer takes messages while the gate is open. Pausing and resuming never reject; what they meet is in the consumer's state. */
function follow(gate: Gate, consumer: QueueConsumer): void {
  const apply = (): void => {
    const { reason } = gate;
    void (reason === null ? consumer.resume() : consumer.pause(reason));
  };
  gate.onChange(apply);
  apply();
}

/** null = delivered studies stay where they are. */
function exportsOf(
  config: Config,
  { anon, raw }: JourneyParts,
  stores: readonly StoreDuty[],
  database: Database | null,
  ledger: Ledger | null,
  log: Logger,
): ReturnType<typeof automaticExport> | null {
  const anonDuty = stores.find(({ name }) => name === 'anon');
  if (config.autoExport !== true || anon === null || anonDuty === undefined) return null;
  if (database === null || ledger === null) throw new InternalError('exports without a database');
  return automaticExport(config, { anon, anonDuty, raw }, database, ledger, log);
}

/** The database, its schema up to date; null when none is configured. */
async function openBooks(
  config: Config,
  backing: Backing,
  log: Logger,
  stop: AbortSignal,
): Promise<Database | null> {
  if (config.database === null) {
    log.warn({}, 'no database is configured: outcomes are in the log alone, and rates are not kept');
    return null;
  }
  const books = await backing.database();
  if (!config.skipMigrations)
    await untilDatabase('migrate', () => migrateUp(books, log), { log, signal: stop });
  return books;
}

/** A rate that is set, as `start` does, also says that whatever kept an archive from being asked may be mended. */
function lookingAgain(rates: Rates, duties: readonly { lookAgain(): void }[]): RateService {
  return {
    queues: rates.queues,
    get: (queue) => rates.get(queue),
    set: (rate, queue) =>
      rates.set(rate, queue).finally(() => {
        for (const duty of duties) duty.lookAgain();
      }),
  };
}

/** Of the stores that studies go to. */
function storeDuties({ raw, anon }: JourneyParts, { timeouts }: Config): StoreDuty[] {
  const stores = [
    { name: 'raw', client: raw } as const,
    ...(anon === null ? [] : [{ name: 'anon', client: anon } as const]),
  ];
  return stores.map((store) => new StoreDuty({ ...store, queryTimeoutMs: timeouts.queryMs }));
}

/** Without a secondary archive nobody could work on its queue, so its messages are left there. */
function archivesOf(config: Config): ArchiveName[] {
  return secondaryArchive(config) === null ? ['primary'] : ['primary', 'secondary'];
}

function archiveOf(parts: JourneyParts, name: ArchiveName): Archive {
  const archive = parts.archives[name];
  if (archive === null) throw new InternalError('a consumer for an archive that is not configured');
  return archive;
}

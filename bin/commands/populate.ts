import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Rate } from '../../src/api/index.js';
import { Closers } from '../../src/core/closers.js';
import {
  populateCohort,
  readExtractSummary,
  type Cohort,
  type Counted,
  type PopulateResult,
  type PopulateRetries,
} from '../../src/core/cohort/index.js';
import type { Config } from '../../src/core/config/index.js';
import { migrateUp, type Database, type Ending } from '../../src/core/db/index.js';
import { CancelledError } from '../../src/core/errors.js';
import { ParquetExport } from '../../src/core/exports/index.js';
import type { Logger } from '../../src/core/log.js';
import { declareQueue, Publisher, queueDepth, type BrokerConnection } from '../../src/queue/index.js';
import { ApiClient } from '../api-client.js';
import { exportsByItself } from '../automatic-export.js';
import { CountBar } from '../count-bar.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { START_TIMEOUT_MS } from '../failed-messages.js';
import { bytesText, printJson, printLine, printRemark } from '../output.js';
import { cohortJson, cohortText, readNamedCohort, type CohortOptions } from '../read-cohort.js';
import { backingFor } from '../backing.js';
import { cancelledBySignals } from '../signals.js';
import { UsageError } from '../usage-error.js';
import { commandLoggerFor } from '../logging.js';
import { messageEncoder } from '../publish-messages.js';
import { setRates, withKnownQueues } from './rate-command.js';

export interface PopulateCommandOptions extends CohortOptions {
  readonly queues?: readonly string[];
  readonly priority: number;
  readonly start: boolean;
  readonly rate?: Rate;
  readonly numRetries: number;
  readonly dryRun?: true;
  readonly json?: true;
  readonly embedded?: true;
}

const QUEUE_POLL_MS = 1_000;

export function populate(path: string, options: PopulateCommandOptions): Promise<ExitCode> {
  return withKnownQueues(() => populateFrom(path, options));
}

async function populateFrom(path: string, options: PopulateCommandOptions): Promise<ExitCode> {
  const isConfigured = options.dryRun !== true && options.embedded !== true;
  const config = isConfigured ? readConfig('database') : readConfig();
  const rate = options.rate ?? config.rate.perSecond;
  if (options.start && rate === 0)
    throw new UsageError('a rate of 0 starts nothing; name another with --rate');
  const closers = new Closers();
  try {
    const cohort = await readNamedCohort(path, config, options, closers);
    const isEmpty = cohort.counts.messages === 0;
    if (options.dryRun === true || isEmpty) {
      print(options, cohort, null);
      return isEmpty ? Exit.NotFound : Exit.Done;
    }
    await copyToExports(path, config);
    return await cancelledBySignals(
      (signal) => new Population(config, options, rate, cohort, closers, signal).run(),
      closers,
    );
  } finally {
    await closers.closeAll();
  }
}

/** The public part of an extract, as PIXL's populate copies it; a CSV has none. */
async function copyToExports(path: string, { exportRootDir }: Config): Promise<void> {
  if (!statSync(path).isDirectory()) return;
  const { projectName, timestamp } = readExtractSummary(path);
  const { files, bytes, copied } = await new ParquetExport(
    projectName,
    timestamp,
    exportRootDir,
  ).copyToExports(path);
  const what = `${files} public ${files === 1 ? 'file' : 'files'} (${bytesText(bytes)})`;
  printRemark(copied ? `${what} copied to the exports` : `${what} in the exports already`);
}

/** One run against the database, the broker and the daemon. */
class Population {
  readonly #config: Config;
  readonly #options: PopulateCommandOptions;
  readonly #rate: Rate;
  readonly #cohort: Cohort;
  readonly #closers: Closers;
  readonly #signal: AbortSignal;
  readonly #log: Logger;
  readonly #queues: readonly string[];

  constructor(
    config: Config,
    options: PopulateCommandOptions,
    rate: Rate,
    cohort: Cohort,
    closers: Closers,
    signal: AbortSignal,
  ) {
    this.#config = config;
    this.#options = options;
    this.#rate = rate;
    this.#cohort = cohort;
    this.#closers = closers;
    this.#signal = signal;
    this.#log = commandLoggerFor(config);
    this.#queues = options.queues ?? [config.queues.primary];
  }

  async run(): Promise<ExitCode> {
    const api = this.#options.start ? new ApiClient(this.#config.api) : null;
    // Who is not there, or knows no such queue, is found out before anything is published.
    for (const queue of this.#options.queues ?? [null]) await api?.rate(queue);
    const backing = backingFor(this.#config, this.#options.embedded === true, this.#log, this.#closers);
    const db = await backing.database();
    if (!this.#config.skipMigrations) await migrateUp(db, this.#log);
    const connection = await backing.broker({ startTimeoutMs: START_TIMEOUT_MS });
    for (const queue of this.#queues) await declareQueue(connection, queue);
    const publisher = new Publisher({ connection });
    this.#closers.add('publisher', () => publisher.close());

    const result = await this.#populate(db, publisher, connection, api);
    if (!result.isComplete) throw new CancelledError('populate');
    print(this.#options, this.#cohort, result);
    return result.counted === null || result.counted.arrived >= result.messages ? Exit.Done : Exit.Incomplete;
  }

  async #populate(
    db: Database,
    publisher: Publisher,
    connection: BrokerConnection,
    api: ApiClient | null,
  ): Promise<PopulateResult> {
    const bar = new CountBar('publishing', 'messages');
    const properties = { priority: this.#options.priority, contentType: 'application/json' };
    const encode = messageEncoder(this.#config.messageFormat);
    try {
      return await populateCohort(this.#cohort, {
        database: db,
        queues: this.#queues,
        publish: async (queue, bodies) => {
          const messages = bodies.map((body) => ({ body: encode(body), properties }));
          await publisher.publishAll(queue, messages, { maxUnconfirmed: bodies.length });
        },
        retries: api === null ? null : this.#retries(connection, api, bar),
        onProgress: (done, total) => bar.show(done, total),
        signal: this.#signal,
      });
    } finally {
      bar.stop();
    }
  }

  #retries(connection: BrokerConnection, api: ApiClient, bar: CountBar): PopulateRetries {
    return {
      most: this.#options.numRetries,
      start: async () => {
        await setRates(api, this.#rate, this.#options.queues);
      },
      wait: async () => {
        bar.stop();
        await this.#untilQueuesAreEmpty(connection);
        await this.#pause(this.#config.cliRetryMs);
      },
      arrivedAs: this.#arrivedAs(),
      onCounted: (counted, total) => printRemark(countedText(counted, total)),
    };
  }

  /**
   * Where the deployment exports by itself a study has arrived when it is exported; one that the rules want nothing of is as far
   * as it will get.
   */
  #arrivedAs(): readonly Ending[] {
    if (!this.#config.delivery.enabled) return ['delivered', 'excluded', 'retrieved'];
    return exportsByItself(this.#config, this.#options.embedded === true)
      ? ['excluded']
      : ['delivered', 'excluded'];
  }

  async #untilQueuesAreEmpty(connection: BrokerConnection): Promise<void> {
    const { secondary, export: exports } = this.#config.queues;
    const further = exportsByItself(this.#config, this.#options.embedded === true)
      ? [secondary, exports]
      : [secondary];
    const queues = new Set([...this.#queues, ...further]);
    for (const queue of further) await declareQueue(connection, queue);
    for (const queue of queues)
      while (!this.#signal.aborted && (await queueDepth(connection, queue)).depth > 0)
        await this.#pause(QUEUE_POLL_MS);
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

function print(options: PopulateCommandOptions, cohort: Cohort, result: PopulateResult | null): void {
  if (options.json === true) {
    const counted = result?.counted ?? null;
    printJson({
      ...cohortJson(cohort),
      published: result?.published ?? 0,
      already_exported: result?.alreadyExported ?? null,
      done_before: result?.doneBefore ?? null,
      exported: counted?.exported ?? null,
      ...(counted === null
        ? {}
        : {
            delivered: counted.delivered,
            excluded: counted.excluded,
            arrived: counted.arrived,
          }),
    });
    return;
  }
  printLine(cohortText(cohort));
  if (result === null) return;
  const before = result.doneBefore === 0 ? '' : `, ${result.doneBefore} by an earlier run`;
  printLine(`${result.published} published, ${result.alreadyExported} exported already${before}`);
  if (result.counted !== null) printLine(countedText(result.counted, result.messages));
}

function countedText({ delivered, exported, excluded, arrived }: Counted, total: number): string {
  const left = excluded === 0 ? '' : `, ${excluded} excluded`;
  return `${arrived} of ${total} studies have arrived: ${delivered} delivered, ${exported} exported${left}`;
}

import type { Rate } from '../../src/api/index.js';
import { Closers } from '../../src/core/closers.js';
import type { Cohort } from '../../src/core/cohort/index.js';
import type { Config } from '../../src/core/config/index.js';
import type { StudyRequest } from '../../src/core/message.js';
import { createRateLimiter } from '../../src/core/rate-limiter/index.js';
import { estimateCohort, type Estimate } from '../../src/pipeline/estimate-cohort.js';
import { CountBar } from '../count-bar.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine, printRemark } from '../output.js';
import { cohortText, readNamedCohort, type CohortOptions } from '../read-cohort.js';
import { cancelledBySignals } from '../signals.js';
import { UsageError } from '../usage-error.js';
import { commandLoggerFor } from '../logging.js';
import { nodeClient, required } from '../wiring.js';
import { rateText } from './rate-command.js';

export interface EstimateOptions extends CohortOptions {
  readonly archive: 'primary' | 'secondary';
  readonly rate?: Rate;
  readonly json?: true;
}

export async function estimate(path: string, options: EstimateOptions): Promise<ExitCode> {
  const config = readConfig(options.archive);
  const rate = options.rate ?? config.rate.perSecond;
  if (rate === 0) throw new UsageError('a rate of 0 asks nothing; name another with --rate');
  const closers = new Closers();
  try {
    const cohort = await readNamedCohort(path, config, options, closers);
    printRemark(cohortText(cohort));
    const result = await cancelledBySignals(
      (signal) => ask(config, options, rate, cohort, closers, signal),
      closers,
    );
    print(options, config, rate, cohort, result);
    return result.found === 0 ? Exit.NotFound : Exit.Done;
  } finally {
    await closers.closeAll();
  }
}

/** The archive is asked for no more studies per second than images would leave it. */
async function ask(
  config: Config,
  options: EstimateOptions,
  rate: Rate,
  cohort: Cohort,
  closers: Closers,
  signal: AbortSignal,
): Promise<Estimate> {
  const log = commandLoggerFor(config);
  const limiter = await createRateLimiter({ name: 'estimate', rate, capacity: null, unit: 'study', log });
  closers.add('rate of queries', () => limiter.close());
  const bar = new CountBar('asking', 'studies');
  try {
    return await estimateCohort(requestsOf(cohort), {
      client: nodeClient(config, required(config[options.archive]), closers),
      queryTimeoutMs: config.timeouts.queryMs,
      admit: () => limiter.admitMessage(signal),
      onProgress: (asked) => bar.show(asked, cohort.counts.messages),
      signal,
    });
  } finally {
    bar.stop();
  }
}

function* requestsOf(cohort: Cohort): Generator<StudyRequest, void, undefined> {
  for (const { message } of cohort.messages()) yield message;
}

function print(
  options: EstimateOptions,
  config: Config,
  rate: Rate,
  cohort: Cohort,
  { found, notFound, studies, images }: Estimate,
): void {
  const counted = config.rate.unit === 'image' ? images : found;
  const seconds = rate === 'unlimited' ? null : Math.ceil(counted / rate);
  if (options.json === true) {
    printJson({
      messages: cohort.counts.messages,
      found,
      not_found: notFound,
      studies,
      images,
      rate,
      unit: config.rate.unit,
      seconds,
    });
    return;
  }
  printLine(
    `${found} of ${cohort.counts.messages} found in ${options.archive}: ${studies} studies, ${images} images`,
  );
  if (seconds !== null) printLine(`${durationText(seconds)} at ${rateText(rate)} (${config.rate.unit}s)`);
}

/** `2 d 03:04:05` */
function durationText(seconds: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const clock = `${two((seconds % 86_400) / 3_600)}:${two((seconds % 3_600) / 60)}:${two(seconds % 60)}`;
  return days === 0 ? clock : `${days} d ${clock}`;
}

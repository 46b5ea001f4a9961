import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { describeError, TimeoutError } from '../core/errors.js';
import type { Logger } from '../core/log.js';
import type { Metrics } from '../core/metrics.js';
import type { Rate } from './services.js';

export interface QueueGauge {
  readonly queue: string;
  readonly depth: number;
}

export interface LimiterGauge {
  readonly queue: string;
  readonly rate: Rate;
  /** Tokens that could be taken at once. */
  readonly available: number;
  /** Who wait for tokens. */
  readonly waiting: number;
}

export interface ConsumerGauge {
  readonly queue: string;
  /** It takes messages: it is neither paused nor waiting for anything. */
  readonly isRunning: boolean;
}

/** What is asked when somebody reads the metrics, instead of being reported. */
export interface MetricSources {
  readonly queues?: () => Promise<readonly QueueGauge[]>;
  readonly consumers?: () => readonly ConsumerGauge[];
  readonly limiters?: () => readonly LimiterGauge[] | Promise<readonly LimiterGauge[]>;
}

/** From one C-ECHO to a study that takes an hour. */
const DURATION_BUCKETS_S = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1_800, 3_600];

/** Prometheus gives up after 10 s by default, and would then see nothing at all. */
const SOURCE_TIMEOUT_MS = 2_000;

/** Label values make time series, which are kept: only words like those of our own errors and outcomes. */
const WORD = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** Of this many rules the names are kept. */
const MOST_RULES = 50;
/** No run of digits that is long enough to name a patient. */
const RULE = /^(?!.*\d{5})[A-Za-z][A-Za-z0-9 .,:()/_-]{0,63}$/;

/** The names of rules come from a peer: no more than so many, and only such as we would give, become labels. */
class RuleNames {
  readonly #known = new Set<string>();

  labelOf(rule: string): string {
    if (!this.#known.has(rule) && (this.#known.size >= MOST_RULES || !RULE.test(rule))) return 'other';
    this.#known.add(rule);
    return rule;
  }
}

/** Metrics that are counted in a registry of their own, for `GET /metrics`. */
export function createMetrics(
  sources: MetricSources,
  log: Logger,
): { readonly metrics: Metrics; readonly registry: Registry } {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers });
  const messages = counter('pixl_messages_total', 'Messages that ended, by outcome.', ['archive', 'outcome']);
  const transfer = ['archive'] as const;
  const retrieved = counter('pixl_images_retrieved_total', 'Images that came to raw.', transfer);
  const retrievedBytes = counter('pixl_retrieved_bytes_total', 'Bytes of images that came to raw.', transfer);
  const delivered = counter('pixl_images_delivered_total', 'Images that anon acknowledged.', transfer);
  const deliveredBytes = counter('pixl_delivered_bytes_total', 'Bytes that anon acknowledged.', transfer);
  const ended = counter('pixl_images_ended_total', 'Images of messages that ended, by what became of them.', [
    'archive',
    'fate',
    'rule',
  ]);
  const rules = new RuleNames();
  const failures = counter('pixl_association_failures_total', 'Associations that failed, by cause.', [
    'node',
    'cause',
  ]);
  const durations = new Histogram({
    name: 'pixl_dimse_operation_duration_seconds',
    help: 'From the request of a DIMSE operation to its last response.',
    labelNames: ['node', 'operation', 'result'],
    buckets: DURATION_BUCKETS_S,
    registers,
  });
  addSources(registry, sources, log);
  return {
    registry,
    metrics: {
      messageEnded: (archive, outcome) =>
        messages.inc({ archive: archive ?? 'none', outcome: wordOrOther(outcome) }),
      imagesRetrieved: (archive, images, bytes) => {
        retrieved.inc({ archive }, images);
        retrievedBytes.inc({ archive }, bytes);
      },
      imagesDelivered: (archive, images, bytes) => {
        delivered.inc({ archive }, images);
        deliveredBytes.inc({ archive }, bytes);
      },
      imagesEnded: (archive, fate, rule, images) =>
        ended.inc({ archive, fate, rule: rule === null ? '' : rules.labelOf(rule) }, images),
      dimseOperation: (node, operation, result, seconds) =>
        durations.observe({ node, operation, result }, seconds),
      associationFailed: (node, cause) => failures.inc({ node, cause: wordOrOther(cause) }),
    },
  };
}

/** How often the event loop's delay is looked at, in ms: prom-client's 10 would wake an idle daemon a hundred times a second. */
const LOOP_DELAY_EVERY_MS = 100;

/**
 * What the process itself takes (memory, processor, file handles, timers, event loop), under the names that prom-client gives
 * it everywhere. Once in a process: it begins to watch the garbage collector and the event loop, and nothing ends that.
 */
export function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_DELAY_EVERY_MS });
}

function wordOrOther(text: string): string {
  return WORD.test(text) ? text : 'other';
}

function addSources(registry: Registry, { queues, consumers, limiters }: MetricSources, log: Logger): void {
  const registers = [registry];
  const gauge = (name: string, help: string): Gauge<'queue'> =>
    new Gauge({ name, help, labelNames: ['queue'], registers });
  if (queues !== undefined) {
    const depth = gauge('pixl_queue_depth', 'Messages that are ready to be taken; absent: broker away.');
    collectInto([depth], log, queues, (one) => depth.set({ queue: one.queue }, one.depth));
  }
  if (consumers !== undefined) {
    const running = gauge(
      'pixl_consumer_running',
      '1: messages are taken; 0: paused or waiting, see /status.',
    );
    collectInto([running], log, consumers, (one) => running.set({ queue: one.queue }, Number(one.isRunning)));
  }
  if (limiters !== undefined) {
    const rate = gauge('pixl_limiter_rate', 'Per second; +Inf = unlimited.');
    const available = gauge('pixl_limiter_available', 'Tokens that could be taken at once.');
    const waiting = gauge('pixl_limiter_waiting', 'How many wait for tokens.');
    collectInto([rate, available, waiting], log, limiters, (one) => {
      rate.set({ queue: one.queue }, one.rate === 'unlimited' ? Infinity : one.rate);
      available.set({ queue: one.queue }, one.available);
      waiting.set({ queue: one.queue }, one.waiting);
    });
  }
}

/**
 * Asks the source when the metrics are read, once for all of its gauges. One that fails leaves its gauges empty, and
 * the other metrics stand.
 */
function collectInto<T>(
  gauges: readonly Gauge<'queue'>[],
  log: Logger,
  source: () => readonly T[] | Promise<readonly T[]>,
  set: (one: T) => void,
): void {
  const read = async (): Promise<void> => {
    let all: readonly T[] = [];
    try {
      all = await withinTime(source);
    } catch (error) {
      log.warn({ operation: 'metrics', reason: describeError(error) }, 'a metric could not be read');
    }
    for (const gauge of gauges) gauge.reset();
    for (const one of all) set(one);
  };
  let reading: Promise<void> | undefined;
  const collect = (): Promise<void> => {
    reading ??= read().finally(() => (reading = undefined));
    return reading;
  };
  for (const gauge of gauges) Object.assign(gauge, { collect });
}

async function withinTime<T>(source: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TimeoutError('metrics', 'source', SOURCE_TIMEOUT_MS));
    }, SOURCE_TIMEOUT_MS);
  });
  try {
    return await Promise.race([source(), late]);
  } finally {
    clearTimeout(timer);
  }
}

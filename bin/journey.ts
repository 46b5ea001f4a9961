import type { Closers } from '../src/core/closers.js';
import { secondaryArchive, type Config, type NodeConfig } from '../src/core/config/index.js';
import type { Logger } from '../src/core/log.js';
import type { Metrics } from '../src/core/metrics.js';
import type { OriginalsRecorder } from '../src/core/originals.js';
import type { ArchiveName } from '../src/core/outcome.js';
import { KeyedLock } from '../src/pipeline/keyed-lock.js';
import { BY_IMAGES } from '../src/pipeline/journey/asking.js';
import type { Archive, JourneyObserver, JourneyParts } from '../src/pipeline/index.js';
import { namesFor } from './logging.js';
import { optOutsOf } from './opt-outs.js';
import { archiveLimiter, nodeClient, required } from './wiring.js';

/** How long raw may stand still after a C-MOVE that says success before what lacks counts as not coming. */
const SETTLE_MS = 3_000;

export interface JourneyChoices {
  readonly deliver: boolean;
  readonly projectTag: boolean;
  readonly observer: JourneyObserver;
  readonly metrics: Metrics;
  readonly originals: OriginalsRecorder;
  readonly log: Logger;
}

/** Everything that messages are worked on with. The configuration must have been read with the nodes as needs. */
export async function journeyParts(
  config: Config,
  choices: JourneyChoices,
  closers: Closers,
): Promise<JourneyParts> {
  const secondary = secondaryArchive(config);
  return {
    archives: {
      primary: await archiveParts(config, 'primary', required(config.primary), choices, closers),
      secondary:
        secondary === null ? null : await archiveParts(config, 'secondary', secondary, choices, closers),
    },
    raw: nodeClient(config, required(config.raw), closers, choices.metrics),
    rawMemory: { asks: BY_IMAGES },
    anon: choices.deliver ? nodeClient(config, required(config.anon), closers, choices.metrics) : null,
    settings: {
      queryTimeoutMs: config.timeouts.queryMs,
      transferTimeoutMs: config.timeouts.transferMs,
      retrieveAttempts: config.limits.retrieveAttempts,
      moveBatch: config.limits.moveBatch,
      settleMs: SETTLE_MS,
      projectTag: choices.projectTag,
      earlyAck: config.delivery.earlyAck,
      earlyCommand: config.delivery.earlyCommand,
    },
    studyLock: new KeyedLock(),
    log: choices.log,
    nameOf: namesFor(config),
    observer: choices.observer,
    metrics: choices.metrics,
    originals: choices.originals,
    optOuts: optOutsOf(config),
  };
}

async function archiveParts(
  config: Config,
  name: ArchiveName,
  node: NodeConfig,
  { log, metrics }: JourneyChoices,
  closers: Closers,
): Promise<Archive> {
  const limiter = await archiveLimiter(config, node, log, closers);
  return { name, client: nodeClient(config, node, closers, metrics), limiter, asks: BY_IMAGES };
}

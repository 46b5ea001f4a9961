import { readFileSync } from 'node:fs';
import type { Closers } from '../src/core/closers.js';
import { secondaryArchive, type Config, type NodeConfig, type TlsConfig } from '../src/core/config/index.js';
import { InternalError } from '../src/core/errors.js';
import { createLogger, hashedNames, plainNames, type IdentifierNames, type Logger } from '../src/core/log.js';
import type { ArchiveName } from '../src/core/outcome.js';
import { NodeClient, type AssociationTimeouts, type DicomNode } from '../src/dimse/index.js';
import { noMetrics, type Metrics } from '../src/core/metrics.js';
import { createRateLimiter } from '../src/core/rate-limiter/index.js';
import { KeyedLock, type Archive, type JourneyObserver, type JourneyParts } from '../src/pipeline/index.js';
import type { BrokerTls } from '../src/queue/index.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** PS3.8 names no time for the ACSE; 30 s is what most implementations wait. */
const ACSE_TIMEOUT_MS = 30_000;
/** Orthanc spends one of its few DICOM threads on an open association, used or not (docs/field-notes.md). */
const IDLE_ASSOCIATION_MS = 1_500;
/** Deliveries may use the others: comparing a study must not wait until another one has been delivered. */
const RAW_KEPT_FOR_QUERIES = 1;
/** How long raw may stand still after a C-MOVE that says success before what lacks counts as not coming. */
const SETTLE_MS = 3_000;

export function loggerFor(config: Config): Logger {
  return createLogger({ level: config.log.level });
}

export function namesFor(config: Config): IdentifierNames {
  return config.log.identifiers === 'plain' ? plainNames : hashedNames;
}

/** @throws InternalError when the command did not ask for the node in its needs */
export function required(node: NodeConfig | null): NodeConfig {
  if (node === null) throw new InternalError('a node that the command needs is not configured');
  return node;
}

/** The pool of associations to one node; `closers` owns it. */
export function nodeClient(
  config: Config,
  node: NodeConfig,
  closers: Closers,
  metrics: Metrics = noMetrics,
  timeouts: AssociationTimeouts = associationTimeouts(config),
): NodeClient {
  const { associations } = config.limits;
  const client = new NodeClient({
    node: dicomNode(node),
    callingAeTitle: config.aeTitle,
    timeouts,
    maxAssociations:
      node.name === 'raw'
        ? associations.raw
        : node.name === 'anon'
          ? associations.anon
          : associations.archive,
    keptForQueries: node.name === 'raw' ? RAW_KEPT_FOR_QUERIES : 0,
    idleMs: IDLE_ASSOCIATION_MS,
    observer: {
      operation: (operation, ok, seconds) =>
        metrics.dimseOperation(node.name, operation, ok ? 'ok' : 'failed', seconds),
      associationFailed: (error) => metrics.associationFailed(node.name, error.code),
    },
  });
  closers.add(client.name, () => client.close());
  return client;
}

export function associationTimeouts(config: Config): AssociationTimeouts {
  return { connectMs: CONNECT_TIMEOUT_MS, acseMs: ACSE_TIMEOUT_MS, writeMs: config.timeouts.transferMs };
}

function dicomNode({ aeTitle, host, port, tls }: NodeConfig): DicomNode {
  return { aeTitle, host, port, ...(tls === null ? {} : { tls: tlsSettings(tls) }) };
}

/** The PEM files, read now: a certificate that is exchanged takes effect at the next start. */
export function tlsSettings(tls: TlsConfig): BrokerTls {
  return {
    ...(tls.caFile === null ? {} : { ca: readFileSync(tls.caFile) }),
    ...(tls.certFile === null ? {} : { cert: readFileSync(tls.certFile) }),
    ...(tls.keyFile === null ? {} : { key: readFileSync(tls.keyFile) }),
    ...(tls.servername === null ? {} : { servername: tls.servername }),
  };
}

export interface JourneyChoices {
  readonly deliver: boolean;
  readonly projectTag: boolean;
  readonly observer: JourneyObserver;
  readonly metrics: Metrics;
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
  };
}

async function archiveParts(
  config: Config,
  name: ArchiveName,
  node: NodeConfig,
  { log, metrics }: JourneyChoices,
  closers: Closers,
): Promise<Archive> {
  const { perSecond: rate, capacity, unit, redisUrl } = config.rate;
  // By the node and not by its role: what is one daemon's primary may be another's secondary.
  const limiter = await createRateLimiter({
    name: `${node.aeTitle}@${node.host}:${node.port}`,
    rate,
    capacity,
    unit,
    redisUrl,
    log,
  });
  closers.add(`image rate of ${name}`, () => limiter.close());
  return { name, client: nodeClient(config, node, closers, metrics), limiter, moveLevel: 'IMAGE' };
}

import type { Closers } from '../src/core/closers.js';
import type { Config, NodeConfig } from '../src/core/config/index.js';
import { InternalError } from '../src/core/errors.js';
import { NodeClient, type AssociationTimeouts, type DicomNode } from '../src/dimse/index.js';
import type { Logger } from '../src/core/log.js';
import { noMetrics, type Metrics } from '../src/core/metrics.js';
import { createRateLimiter, type RateLimiter } from '../src/core/rate-limiter/index.js';
import { tlsSettings } from './tls-settings.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** PS3.8 names no time for the ACSE; 30 s is what most implementations wait. */
const ACSE_TIMEOUT_MS = 30_000;
/** Orthanc spends one of its few DICOM threads on an open association, used or not (docs/field-notes.md). */
const IDLE_ASSOCIATION_MS = 1_500;
/** Deliveries may use the others: comparing a study must not wait until another one has been delivered. */
const RAW_KEPT_FOR_QUERIES = 1;

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

/** The image rate of one archive; `closers` owns it. @throws SharedLimiterError when Redis answers and refuses us */
export async function archiveLimiter(
  config: Config,
  node: NodeConfig,
  log: Logger,
  closers: Closers,
): Promise<RateLimiter> {
  const { perSecond: rate, capacity, unit, redisUrl } = config.rate;
  // By the node and not by its role: what is one daemon's primary may be another's secondary.
  const name = `${node.aeTitle}@${node.host}:${node.port}`;
  const limiter = await createRateLimiter({ name, rate, capacity, unit, redisUrl, log });
  closers.add(`image rate of ${node.name}`, () => limiter.close());
  return limiter;
}

export function associationTimeouts(config: Config): AssociationTimeouts {
  return { connectMs: CONNECT_TIMEOUT_MS, acseMs: ACSE_TIMEOUT_MS, writeMs: config.timeouts.transferMs };
}

function dicomNode({ aeTitle, host, port, tls }: NodeConfig): DicomNode {
  return { aeTitle, host, port, ...(tls === null ? {} : { tls: tlsSettings(tls) }) };
}

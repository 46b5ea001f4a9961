import { readFileSync } from 'node:fs';
import type { Closers } from '../src/core/closers.js';
import type { Config } from '../src/core/config/index.js';
import type { Database } from '../src/core/db/index.js';
import { InternalError } from '../src/core/errors.js';
import type { FtpsSettings } from '../src/core/exports/index.js';
import type { Logger } from '../src/core/log.js';
import type { NodeClient } from '../src/dimse/index.js';
import { KeyedLock, type ExportParts } from '../src/pipeline/index.js';
import { namesFor, nodeClient, required } from './wiring.js';

/** The safe haven as configured, its authorities read. The configuration must have been read with `ftps` as a need. */
export function safeHaven({ ftps }: Config): FtpsSettings {
  if (ftps === null) throw new InternalError('the FTPS server that the command needs is not configured');
  const { caFile, ...settings } = ftps;
  return { ...settings, ca: caFile === null ? null : readFileSync(caFile) };
}

/**
 * What exports of studies need. The configuration must have been read with `anon`, `database` and `ftps` as needs.
 *
 * @param anon the pool of associations to share; without one `closers` owns one of its own
 */
export function exportParts(
  config: Config,
  log: Logger,
  database: Database,
  closers: Closers,
  anon: NodeClient | null = null,
): ExportParts {
  return {
    anon: anon ?? nodeClient(config, required(config.anon), closers),
    database,
    ftps: safeHaven(config),
    lock: new KeyedLock(),
    settings: {
      queryTimeoutMs: config.timeouts.queryMs,
      transferTimeoutMs: config.timeouts.transferMs,
      moveBatch: config.limits.moveBatch,
    },
    log,
    nameOf: namesFor(config),
  };
}

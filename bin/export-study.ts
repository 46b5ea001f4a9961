import { RequestRefusedError } from '../src/api/errors.js';
import type { ApiServices } from '../src/api/index.js';
import type { Closers } from '../src/core/closers.js';
import type { Config } from '../src/core/config/index.js';
import type { Database } from '../src/core/db/index.js';
import type { Logger } from '../src/core/log.js';
import { ftpsDestination } from '../src/destinations/index.js';
import type { NodeClient } from '../src/dimse/index.js';
import { exportStudy, type ExportParts } from '../src/pipeline/export/export-study.js';
import { KeyedLock } from '../src/pipeline/keyed-lock.js';
import { safeHavenSettings } from './safe-haven.js';
import { namesFor } from './logging.js';
import { optOutsOf } from './opt-outs.js';
import { nodeClient, required } from './wiring.js';

/** What exports of studies need. The configuration must have been read with `ftps` as a need. */
export function exportParts(
  config: Config,
  log: Logger,
  nodes: { readonly anon: NodeClient; readonly raw: NodeClient | null },
  database: Database,
): ExportParts {
  return {
    ...nodes,
    database,
    destination: ftpsDestination(safeHavenSettings(config), log),
    lock: new KeyedLock(),
    settings: {
      queryTimeoutMs: config.timeouts.queryMs,
      transferTimeoutMs: config.timeouts.transferMs,
      moveBatch: config.limits.moveBatch,
      unverified: config.exportUnverified,
    },
    optOuts: optOutsOf(config),
    log,
    nameOf: namesFor(config),
  };
}

export interface DicomExporterOptions {
  /** The daemon's own pool of associations; null = it delivers nothing, and one is made here. */
  readonly anon: NodeClient | null;
  readonly raw: NodeClient;
  readonly database: Database | null;
  readonly log: Logger;
  /** Ends what is being sent. */
  readonly signal: AbortSignal;
}

/** What `POST /export-dicom` does. */
export function dicomExporter(
  config: Config,
  { anon, raw, database, log, signal }: DicomExporterOptions,
  closers: Closers,
): ApiServices['exportDicom'] {
  const lacking = [
    ...(config.ftps === null ? ['a safe haven (FTP_HOST and the others)'] : []),
    ...(database === null ? ['a database'] : []),
    ...(config.anon === null ? ['an anonymising store'] : []),
  ];
  if (lacking.length > 0 || database === null)
    return () =>
      Promise.reject(new RequestRefusedError('NOT_CONFIGURED', `not configured: ${lacking.join(', ')}`));
  const client = anon ?? nodeClient(config, required(config.anon), closers);
  const parts = exportParts(config, log, { anon: client, raw }, database);
  return (studyInstanceUid, projectName) => exportStudy({ studyInstanceUid, projectName, signal }, parts);
}

import type { QueueSource } from '../src/api/index.js';
import type { Config } from '../src/core/config/index.js';
import type { Database, Ledger } from '../src/core/db/index.js';
import type { Logger } from '../src/core/log.js';
import type { NodeClient } from '../src/dimse/index.js';
import { ExportDuty, exportHandler, type StoreDuty } from '../src/pipeline/index.js';
import type { ConsumeOptions } from '../src/queue/index.js';
import { exportParts } from './export-study.js';

/** Exports at once: anon has three associations by default, and what is delivered to it goes first. */
const AT_ONCE = 2;

/** Whether delivered studies are exported by themselves. */
export function exportsByItself(
  { autoExport, ftps }: Pick<Config, 'autoExport' | 'ftps'>,
  embedded: boolean,
): boolean {
  return autoExport ?? (embedded && ftps !== null);
}

export interface AutomaticExportNodes {
  readonly anon: NodeClient;
  readonly anonDuty: StoreDuty;
  readonly raw: NodeClient;
}

/** What the consumer of the export queue is made of; who makes it closes the duty. */
export function automaticExport(
  config: Config,
  { anon, anonDuty, raw }: AutomaticExportNodes,
  database: Database,
  ledger: Ledger,
  log: Logger,
): { readonly duty: ExportDuty } & Pick<ConsumeOptions, 'queue' | 'prefetch' | 'handler'> {
  const exports = exportParts(config, log, { anon, raw }, database);
  const duty = new ExportDuty({
    destination: exports.destination,
    anon: { duty: anonDuty, peer: anon.name },
  });
  return {
    duty,
    queue: config.queues.export,
    prefetch: AT_ONCE,
    handler: exportHandler({ duty, database, ledger, exports, log }),
  };
}

/** How `status` and the metrics see its queue: no rate limits what is exported. */
export const unlimited: Pick<QueueSource, 'rate' | 'limiter' | 'remark'> = {
  rate: () => 'unlimited',
  limiter: null,
  remark: () => null,
};

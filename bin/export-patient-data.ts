import { RequestRefusedError, type ApiServices } from '../src/api/index.js';
import type { Config } from '../src/core/config/index.js';
import type { Database } from '../src/core/db/index.js';
import { ParquetExport, withSafeHaven } from '../src/core/exports/index.js';
import type { Logger } from '../src/core/log.js';
import { leavingNames } from './leaving-names.js';
import { optOutsOf } from './opt-outs.js';
import { safeHavenSettings } from './safe-haven.js';

/** What `POST /export-patient-data` does: sends an extract that stands in the exports, until `signal` is aborted. */
export function patientDataExporter(
  config: Config,
  database: Database | null,
  log: Logger,
  signal: AbortSignal,
): ApiServices['exportPatientData'] {
  const optOuts = optOutsOf(config);
  return async (projectName, extractDatetime) => {
    if (config.ftps === null)
      throw new RequestRefusedError('NOT_CONFIGURED', 'no safe haven is configured: FTP_HOST and the others');
    const parquetExport = new ParquetExport(projectName, extractDatetime, config.exportRootDir);
    // What is not there, or must not leave, is said before anybody logs in.
    await optOuts.current();
    await parquetExport.requirePseudonyms(database === null ? null : leavingNames(database, optOuts));
    return withSafeHaven(safeHavenSettings(config), { log, signal }, (haven) => parquetExport.upload(haven));
  };
}

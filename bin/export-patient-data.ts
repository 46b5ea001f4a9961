import { RequestRefusedError, type ApiServices } from '../src/api/index.js';
import type { Config } from '../src/core/config/index.js';
import { ParquetExport, withSafeHaven } from '../src/core/exports/index.js';
import type { Logger } from '../src/core/log.js';
import { safeHavenSettings } from './safe-haven.js';

/** What `POST /export-patient-data` does: sends an extract that stands in the exports, until `signal` is aborted. */
export function patientDataExporter(
  config: Config,
  log: Logger,
  signal: AbortSignal,
): ApiServices['exportPatientData'] {
  return async (projectName, extractDatetime) => {
    if (config.ftps === null)
      throw new RequestRefusedError('NOT_CONFIGURED', 'no safe haven is configured: FTP_HOST and the others');
    const parquetExport = new ParquetExport(projectName, extractDatetime, config.exportRootDir);
    await parquetExport.files(); // what is not there is told before anybody logs in
    return withSafeHaven(safeHavenSettings(config), { log, signal }, (haven) => parquetExport.upload(haven));
  };
}

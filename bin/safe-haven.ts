import { readFileSync } from 'node:fs';
import type { Config } from '../src/core/config/index.js';
import { InternalError } from '../src/core/errors.js';
import type { FtpsSettings } from '../src/core/exports/index.js';

/** The safe haven as configured. The configuration must have been read with `ftps` as a need. */
export function safeHavenSettings({ ftps }: Config): FtpsSettings {
  if (ftps === null) throw new InternalError('the FTPS server that the command needs is not configured');
  const { caFile, ...settings } = ftps;
  return { ...settings, ca: caFile === null ? null : readFileSync(caFile) };
}

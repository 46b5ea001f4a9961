import type { Closers } from '../src/core/closers.js';
import type { Config } from '../src/core/config/index.js';
import { openDatabase, type Database } from '../src/core/db/index.js';
import { InternalError } from '../src/core/errors.js';
import type { Logger } from '../src/core/log.js';
import { tlsSettings } from './tls-settings.js';

/**
 * The database as configured, not connected yet; `closers` owns it. The configuration must have been read with
 * `database` as a need.
 */
export function database(config: Config, log: Logger, closers: Closers): Database {
  if (config.database === null)
    throw new InternalError('the database that the command needs is not configured');
  const { tls } = config.database;
  const opened = openDatabase({ ...config.database, tls: tls === null ? null : tlsSettings(tls) }, { log });
  closers.add('database', () => opened.close());
  return opened;
}

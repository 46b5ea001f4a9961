import {
  checkSafeHaven,
  FtpsConnectionError,
  FtpsLoginError,
  FtpsStorageFullError,
  FtpsTlsError,
  ftpsPeer,
  withSafeHaven,
  type FtpsSettings,
} from '../core/exports/index.js';
import type { Logger } from '../core/log.js';
import type { Destination } from './destination.js';

/** An FTPS server; a connection is made for each file (RFC 959, RFC 4217). */
export function ftpsDestination(settings: FtpsSettings, log: Logger): Destination {
  return {
    name: ftpsPeer(settings),
    put: (path, open, place, signal) =>
      withSafeHaven(settings, { log, signal }, (haven) => haven.put(path, open, undefined, place)),
    check: (signal) => checkSafeHaven(settings, { log, signal }),
    troubleOf: (error) => {
      if (error instanceof FtpsConnectionError) return 'down';
      const isRefusal =
        error instanceof FtpsLoginError ||
        error instanceof FtpsTlsError ||
        error instanceof FtpsStorageFullError;
      return isRefusal ? 'refuses' : null;
    },
  };
}

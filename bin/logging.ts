import type { Config } from '../src/core/config/index.js';
import { createLogger, hashedNames, plainNames, type IdentifierNames, type Logger } from '../src/core/log.js';

export function loggerFor(config: Config): Logger {
  return createLogger({ level: config.log.level });
}

/** For commands that come to an end: that a connection was made is no news to somebody at a terminal. */
export function commandLoggerFor(config: Config): Logger {
  const { level } = config.log;
  return createLogger({ level: level === 'info' ? 'warn' : level });
}

export function namesFor(config: Config): IdentifierNames {
  return config.log.identifiers === 'plain' ? plainNames : hashedNames;
}

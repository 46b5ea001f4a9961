import type { Config } from '../src/core/config/index.js';
import { createLogger, hashedNames, plainNames, type IdentifierNames, type Logger } from '../src/core/log.js';

export function loggerFor(config: Config): Logger {
  return createLogger({ level: config.log.level });
}

export function namesFor(config: Config): IdentifierNames {
  return config.log.identifiers === 'plain' ? plainNames : hashedNames;
}

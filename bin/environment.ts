import { readFileSync } from 'node:fs';
import {
  ConfigurationError,
  loadConfig,
  readDotEnv,
  withDotEnv,
  type Config,
  type Environment,
  type Need,
} from '../src/core/config/index.js';

/**
 * Reads the environment, and `.env` in the working directory under it.
 *
 * @throws ConfigurationError with every fault
 */
export function readConfig(...needs: Need[]): Config {
  return loadConfig(givenEnvironment(), new Set(needs));
}

/** The environment, and `.env` under it, as `readConfig` reads them. @throws ConfigurationError */
export function givenEnvironment(): Environment {
  return withDotEnv(process.env, dotEnv());
}

/** What `.env` in the working directory holds. @throws ConfigurationError */
export function dotEnv(): Environment {
  try {
    return readDotEnv(readFileSync('.env', 'utf8'));
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    const found = `something that can't be read (${code})`;
    throw new ConfigurationError([{ name: '.env', found, expected: 'a file that can be read, or none' }]);
  }
}

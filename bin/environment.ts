import { existsSync, readFileSync } from 'node:fs';
import { loadConfig, readDotEnv, withDotEnv, type Config, type Need } from '../src/core/config/index.js';

/**
 * Reads the environment, and `.env` in the working directory under it.
 *
 * @throws ConfigurationError with every fault
 */
export function readConfig(...needs: Need[]): Config {
  const dotEnv = existsSync('.env') ? readDotEnv(readFileSync('.env', 'utf8')) : {};
  return loadConfig(withDotEnv(process.env, dotEnv), new Set(needs));
}

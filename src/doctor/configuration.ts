import type { ConfigurationError } from '../core/config/index.js';
import type { Examined } from './check.js';

/** The line of the configuration, which all other checks are made of. @param error null = it is as the daemon needs it */
export function examinedConfiguration(error: ConfigurationError | null): Examined {
  const check = 'configuration';
  if (error === null) return { check, kind: 'sound', detail: 'all that the daemon needs is set' };
  const detail = error.faults
    .map(({ name, found, expected }) => `${name}: found ${found}, expected ${expected}`)
    .join('; ');
  const names = error.faults.map(({ name }) => name).join(', ');
  return {
    check,
    kind: 'wrong',
    detail,
    mend: `set ${names} in the environment or in .env; docs/configuration.md has every variable`,
  };
}

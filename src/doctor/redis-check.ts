import { variables } from '../core/config/variables.js';
import { tryRedis } from '../core/rate-limiter/index.js';
import { sound, wrong, type Check } from './check.js';

/** Does the Redis of the shared rate answer? Its URL may hold a password and is not shown. */
export function redisCheck(url: string): Check {
  const variable = variables.rateRedisUrl.name;
  const mend = `start Redis, or correct host and port in ${variable}`;
  return {
    name: 'Redis',
    run: async () => {
      const fault = await tryRedis(url);
      switch (fault?.trouble) {
        case undefined:
          return sound('answers; daemons on it share one rate');
        case 'refused':
          return wrong('refuses the user name or password', `correct user and password in ${variable}`);
        case 'untrusted':
          return wrong(
            fault.reason,
            `correct the host in ${variable}, or name the authority's PEM file in NODE_EXTRA_CA_CERTS`,
          );
        case 'away':
          return wrong('does not answer: nothing would leave the archives', mend);
      }
    },
    mendOf: () => mend,
  };
}

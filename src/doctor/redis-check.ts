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
      const trouble = await tryRedis(url);
      if (trouble === null) return sound('answers; daemons on it share one rate');
      return trouble === 'refused'
        ? wrong('refuses the user name or password', `correct user and password in ${variable}`)
        : wrong('does not answer: nothing would leave the archives', mend);
    },
    mendOf: () => mend,
  };
}

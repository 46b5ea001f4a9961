export type { Admission } from './batch.js';
export { SharedLimiterError } from './errors.js';
export { isNewer, isSet, type HeldRate, type RateKeeper } from './held-rate.js';
export {
  checkRate,
  isRate,
  MAX_RATE,
  MIN_RATE,
  RATE_EXPECTED,
  planFor,
  type Rate,
  type RatePlan,
  type RateSettings,
  type RateUnit,
} from './plan.js';
export { createRateLimiter, RateLimiter, type RateLimiterOptions } from './rate-limiter.js';
export type { RateLimiterState } from './state.js';
export { tryRedis, type RedisFault } from './shared-redis.js';

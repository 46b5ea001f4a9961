export type { Admission } from './batch.js';
export { SharedLimiterError } from './errors.js';
export { MAX_RATE, planFor, type Rate, type RatePlan, type RateSettings, type RateUnit } from './plan.js';
export {
  createRateLimiter,
  RateLimiter,
  type RateLimiterOptions,
  type RateLimiterState,
} from './rate-limiter.js';
export { tryRedis, type RedisFault } from './shared-redis.js';

import { PixlError, type Retry } from '../errors.js';

/** The Redis of PIXL_RATE_REDIS_URL cannot be used. Neither the URL nor what Redis said is in the text. */
export class SharedLimiterError extends PixlError {
  readonly code = 'SHARED_LIMITER';
  readonly retry: Retry;

  constructor(reason: string, retry: Retry, cause?: unknown) {
    super(`shared limiter: ${reason}`, { cause });
    this.retry = retry;
  }
}

import { defaultHoldPolicy } from '../../../src/core/db/index.js';
import { defaultRetryPolicy } from '../../../src/queue/index.js';

/**
 * For `node --import`, before the program: the daemon's pauses between tries are seconds and not minutes. They are no
 * settings, because no deployment needs others; a test of an outage would do nothing but wait for them.
 */
Object.assign(defaultRetryPolicy, { firstDelayMs: 500, maxDelayMs: 2_000 });
Object.assign(defaultHoldPolicy, { maxMs: 1_000 });

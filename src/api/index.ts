/** The HTTP API: a door to services that whoever starts it gives. */
export {
  OpenWithoutTokenError,
  ListenError,
  refusals,
  RequestRefusedError,
  type RefusalCode,
} from './errors.js';
export {
  addProcessMetrics,
  createMetrics,
  type LimiterGauge,
  type MetricSources,
  type QueueGauge,
} from './metrics.js';
export type { ApiLimits } from './limited-server.js';
export { startApi, type Api, type ApiOptions } from './start-api.js';
export type { ApiServices, QueueStatus, Rate, RateService, Status, StudyStatus } from './services.js';
export { collectStatus, type QueueSource, type StatusSources } from './collect-status.js';

import type { Rate, RatePlan, RateSettings } from './plan.js';

export interface RateLimiterState {
  readonly rate: Rate;
  /** What may come out of the archive at once; null = unlimited. */
  readonly capacity: number | null;
  readonly unit: RateSettings['unit'];
  readonly paused: boolean;
  /** Why nothing is admitted, when it is paused. */
  readonly reason: string | null;
  /** No message should be taken: it is paused, batches wait, or less than one token is there. */
  readonly empty: boolean;
  /** Batches and messages that wait. */
  readonly waiting: number;
  /** Tokens that could be taken now; negative = in debt; null = unlimited. */
  readonly available: number | null;
  /** null = any number of images can be admitted at once: a whole study is one C-MOVE. */
  readonly largestBatch: number | null;
  readonly shared: boolean;
}

/** What a limiter says of itself. Infinity is null there. */
export function stateOf(
  { rate, unit }: RateSettings,
  { capacity, largestBatch }: RatePlan,
  now: Pick<RateLimiterState, 'reason' | 'waiting' | 'shared'> & {
    readonly available: number;
    readonly batchesWait: boolean;
  },
): RateLimiterState {
  const { reason, available, waiting, batchesWait, shared } = now;
  return {
    rate,
    capacity: finiteOrNull(capacity),
    unit,
    paused: reason !== null,
    reason,
    empty: reason !== null || batchesWait || available < 1,
    waiting,
    available: finiteOrNull(available),
    largestBatch: finiteOrNull(largestBatch),
    shared,
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

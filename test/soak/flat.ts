import type { Measure, Sample } from './samples.js';

/** How much more there may be at the end than after the warm-up: a share of what there was, and so much besides. */
interface Bound {
  readonly measure: Measure;
  readonly share: number;
  readonly more: number;
  /** What of a window is compared: its median, or its lower quartile, which a collection of garbage left. */
  readonly of: 'median' | 'lower quartile';
}

/** Under the same mixed load. Sockets and timers come and go with it, in a dozen or two. */
const UNDER_LOAD: readonly Bound[] = [
  { measure: 'residentMiB', share: 0.1, more: 16, of: 'median' },
  { measure: 'heapMiB', share: 0.1, more: 4, of: 'lower quartile' },
  { measure: 'externalMiB', share: 0.1, more: 4, of: 'lower quartile' },
  { measure: 'handles', share: 0.1, more: 4, of: 'median' },
  { measure: 'sockets', share: 0.1, more: 4, of: 'median' },
  { measure: 'timers', share: 0.1, more: 4, of: 'median' },
  { measure: 'resources', share: 0.1, more: 8, of: 'median' },
];

/** With nothing to do, before the traffic and after it: the pools of connections may be filled another way. */
const AT_REST: readonly Bound[] = (['handles', 'sockets', 'timers', 'resources'] as const).map((measure) => ({
  measure,
  share: 0,
  more: 2,
  of: 'median',
}));

/** One measure, before and after. */
export interface Finding extends Bound {
  readonly when: 'under load' | 'at rest';
  readonly before: number;
  readonly after: number;
  readonly atMost: number;
  readonly isFlat: boolean;
}

/** The windows of a soak: samples of a second part of the traffic, of the last one, and with nothing to do. */
export interface Windows {
  readonly warm: readonly Sample[];
  readonly last: readonly Sample[];
  readonly restBefore: readonly Sample[];
  readonly restAfter: readonly Sample[];
}

/** The share of the traffic's time that is warm-up, the window after it, and the last window. */
export const WARM_UP = 0.2;
export const WINDOW = 0.2;

export function windowsOf(
  traffic: readonly Sample[],
  rest: Pick<Windows, 'restBefore' | 'restAfter'>,
): Windows {
  const from = traffic[0]?.at ?? 0;
  const length = (traffic.at(-1)?.at ?? 0) - from;
  const within = (begin: number, end: number): Sample[] =>
    traffic.filter(({ at }) => at >= from + begin * length && at <= from + end * length);
  return { warm: within(WARM_UP, WARM_UP + WINDOW), last: within(1 - WINDOW, 1), ...rest };
}

/** @throws when a window is empty: nothing would have been compared */
export function compareWindows({ warm, last, restBefore, restAfter }: Windows): Finding[] {
  return [
    ...UNDER_LOAD.map((bound) => finding(bound, 'under load', warm, last)),
    ...AT_REST.map((bound) => finding(bound, 'at rest', restBefore, restAfter)),
  ];
}

function finding(
  bound: Bound,
  when: Finding['when'],
  earlier: readonly Sample[],
  later: readonly Sample[],
): Finding {
  const { measure, share, more, of } = bound;
  const quantile = of === 'median' ? 0.5 : 0.25;
  const before = quantileOf(earlier, measure, quantile);
  const after = quantileOf(later, measure, quantile);
  const atMost = Math.round((before * (1 + share) + more) * 10) / 10;
  return { ...bound, when, before, after, atMost, isFlat: after <= atMost };
}

function quantileOf(samples: readonly Sample[], measure: Measure, quantile: number): number {
  const sorted = samples.map((sample) => sample[measure]).sort((a, b) => a - b);
  const value = sorted[Math.floor((sorted.length - 1) * quantile)];
  if (value === undefined) throw new Error('no samples: the soak was too short');
  return value;
}

import { compareWindows, windowsOf, WARM_UP, WINDOW, type Finding } from './flat.js';
import type { Events } from './run.js';

/** What a soak came to. */
export interface Verdict {
  readonly minutes: number;
  readonly seed: number;
  readonly findings: readonly Finding[];
  readonly outcomes: ReturnType<Events['accounts']['outcomes']>;
  readonly attempts: Readonly<Partial<Record<number, number>>>;
  readonly images: Readonly<Record<string, number>>;
  readonly published: number;
  /** Copies in queues besides: a broker that goes away before it confirms a publish may have it twice. */
  readonly repeated: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly cpuSeconds: number;
  readonly samples: number;
  /** At each tenth of the time or so. */
  readonly residentMiB: readonly number[];
  readonly unanswered: readonly string[];
  /** Why it is none; empty when memory, sockets, timers and handles are flat, and the books balance. */
  readonly wrong: readonly string[];
}

/** So many samples may fail: one may meet a moment in which everything is away. */
const UNANSWERED = 0.02;

export async function verdictOf(
  events: Events,
  { minutes, seed }: Pick<Verdict, 'minutes' | 'seed'>,
  alsoWrong: readonly string[],
): Promise<Verdict> {
  const { traffic, accounts, faults, unanswered } = events;
  const imbalance = await accounts.imbalance();
  const findings = compareWindows(windowsOf(traffic, events));
  const growing = findings
    .filter(({ isFlat }) => !isFlat)
    .map(
      ({ when, measure, before, after, atMost }) =>
        `${measure} ${when}: ${before}, then ${after} (at most ${atMost})`,
    );
  const silent =
    unanswered.length > UNANSWERED * traffic.length ? [`${unanswered.length} requests failed`] : [];
  const counts: Record<string, number> = {};
  for (const { name } of faults) counts[name] = (counts[name] ?? 0) + 1;
  const tenth = Math.max(1, Math.floor(traffic.length / 10));
  return {
    ...{ minutes, seed, findings, unanswered, published: accounts.published, repeated: accounts.repeated },
    outcomes: accounts.outcomes(),
    attempts: accounts.attempts(),
    images: accounts.images(),
    faults: counts,
    cpuSeconds: (traffic.at(-1)?.cpuSeconds ?? 0) - (traffic[0]?.cpuSeconds ?? 0),
    samples: traffic.length,
    residentMiB: traffic.filter((_, index) => index % tenth === 0).map(({ residentMiB }) => residentMiB),
    wrong: [...growing, ...imbalance, ...silent, ...alsoWrong],
  };
}

export function markdownOf(verdict: Verdict): string {
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  const counted = (counts: Readonly<Record<string, number | undefined>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count ?? 0}`)
      .join(', ');
  const { wrong, findings, faults } = verdict;
  const total = Object.values(faults).reduce((sum, count) => sum + count, 0);
  return [
    `${verdict.minutes} minutes of traffic and faults on one daemon, seed ${verdict.seed}. ` +
      (wrong.length === 0 ? 'Flat, and the books balance.' : `**Not** as it should be: ${wrong.join('; ')}.`),
    '',
    `- messages: ${verdict.published} published; ${counted(verdict.outcomes)}; by attempts: ${counted(verdict.attempts)}; copies besides: ${verdict.repeated}`,
    `- images: ${counted(verdict.images)}`,
    `- faults: ${total}; ${counted(faults)}`,
    `- processor time of the daemon: ${Math.round(verdict.cpuSeconds)} s; samples: ${verdict.samples}; requests that failed: ${verdict.unanswered.length}`,
    `- resident MiB, over the time: ${verdict.residentMiB.join(', ')}`,
    '',
    `Under load: the window from ${percent(WARM_UP)} to ${percent(WARM_UP + WINDOW)} of the time beside the last ${percent(WINDOW)}. ` +
      'At rest: before the traffic, after twenty messages, beside after it, when every message has ended.',
    '',
    '| when | what | of a window | before | after | at most | |',
    '| --- | --- | --- | ---: | ---: | ---: | --- |',
    ...findings.map(
      ({ when, measure, of, before, after, atMost, isFlat }) =>
        `| ${when} | ${measure} | ${of} | ${before} | ${after} | ${atMost} | ${isFlat ? 'flat' : '**grows**'} |`,
    ),
  ].join('\n');
}

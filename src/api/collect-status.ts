import type { IdentifierNames } from '../core/log.js';
import type { RateLimiterState } from '../core/rate-limiter/index.js';
import type { Progress } from '../pipeline/index.js';
import type { ConsumerState, QueueDepth } from '../queue/index.js';
import type { Rate, Status } from './services.js';

/** One queue of the daemon, as `status` asks about it. */
export interface QueueSource {
  readonly name: string;
  readonly consumer: () => ConsumerState;
  /** Why it gets less than it could although it runs. */
  readonly remark: () => string | null;
  readonly rate: () => Rate;
  /** null = nothing limits it. */
  readonly limiter: (() => RateLimiterState) | null;
  /** @throws when the broker is away */
  readonly depth: () => Promise<QueueDepth>;
}

export interface StatusSources {
  readonly queues: readonly QueueSource[];
  readonly studies: () => readonly Progress[];
  readonly nameOf: IdentifierNames;
  /** Messages by outcome. @throws when the database is away */
  readonly outcomes: () => Promise<Readonly<Record<string, number>>>;
}

/** A broker or a database that is away must not keep anybody from seeing the rest. */
const PATIENCE_MS = 1_000;

/** What the daemon does now. What can't be asked within a second is null, or left out of the outcomes. */
export async function collectStatus(sources: StatusSources): Promise<Status> {
  const [queues, outcomes] = await Promise.all([
    Promise.all(sources.queues.map(queueStatus)),
    patiently(sources.outcomes()),
  ]);
  return {
    queues,
    studies: sources.studies().map(({ archive, studyInstanceUid, step, done, expected }) => ({
      study: sources.nameOf(studyInstanceUid),
      archive,
      step,
      images_done: done,
      images_expected: expected,
    })),
    outcomes: outcomes ?? {},
  };
}

async function queueStatus(source: QueueSource): Promise<Status['queues'][number]> {
  const depth = await patiently(source.depth());
  const { state, reason, inFlight } = source.consumer();
  return {
    name: source.name,
    depth: depth?.depth ?? null,
    consumers: depth?.consumers ?? null,
    state,
    reason: reason ?? source.remark(),
    rate: source.rate(),
    in_flight: inFlight,
  };
}

async function patiently<T>(answer: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}

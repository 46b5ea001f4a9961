import { Closers } from '../../src/core/closers.js';
import type { Config } from '../../src/core/config/index.js';
import {
  declareQueue,
  lookThroughFailed,
  type BrokerConnection,
  type FailedMessage,
} from '../../src/queue/index.js';
import { backingFor } from '../backing.js';
import { confirm } from '../confirm.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { matchesFilter, projectOf, START_TIMEOUT_MS, type FailedFilter } from '../failed-messages.js';
import { commandLoggerFor } from '../logging.js';
import { printJson, printLine, printTable } from '../output.js';
import { cancelledBySignals } from '../signals.js';

export interface FailedOptions extends FailedFilter {
  readonly embedded?: true;
  readonly json?: true;
}

export interface FailedPurgeOptions extends FailedOptions {
  readonly yes?: true;
}

/** Messages of one project that failed for one reason. */
interface Group {
  readonly project: string | null;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly reason: string | null;
  messages: number;
  first: string | null;
  last: string | null;
}

/** A reason may name what it is about; more of them than this are told apart by their codes alone. */
const MOST_REASONS = 1_000;

/** What is in the failed queue, by project and reason. */
export function listFailed(options: FailedOptions): Promise<ExitCode> {
  return onFailedQueue(options, async (connection, config, signal) => {
    const groups = new Map<string, Group>();
    await lookThroughFailed({
      connection,
      failedQueue: config.queues.failed,
      signal,
      visit: (message) => {
        if (matchesFilter(message, options)) count(groups, message);
        return 'keep';
      },
    });
    const found = [...groups.values()].sort((a, b) => b.messages - a.messages);
    if (options.json === true) printJson(found.map(groupJson));
    else if (found.length === 0) printLine(`nothing in ${config.queues.failed}`);
    else
      printTable(
        ['messages', 'project', 'outcome', 'code', 'last', 'reason'],
        found.map(({ messages, project, outcome, code, last, reason }) => [
          ...[messages, project, outcome, code, last?.slice(0, 16) ?? null, reason],
        ]),
      );
  });
}

/** Throws away what is in the failed queue, for good. */
export async function purgeFailed(options: FailedPurgeOptions): Promise<ExitCode> {
  await confirm('failed purge', 'throws failed messages away', options.yes === true);
  return onFailedQueue(options, async (connection, config, signal) => {
    const { thrownAway, left } = await lookThroughFailed({
      connection,
      failedQueue: config.queues.failed,
      signal,
      visit: (message) => (matchesFilter(message, options) ? 'throw away' : 'keep'),
    });
    if (options.json === true) printJson({ purged: thrownAway, left });
    else printLine(`${thrownAway} thrown away, ${left} left in ${config.queues.failed}`);
  });
}

async function onFailedQueue(
  options: FailedOptions,
  work: (connection: BrokerConnection, config: Config, signal: AbortSignal) => Promise<void>,
): Promise<ExitCode> {
  const config = readConfig();
  const closers = new Closers();
  try {
    const backing = backingFor(config, options.embedded === true, commandLoggerFor(config), closers);
    const connection = await backing.broker({ startTimeoutMs: START_TIMEOUT_MS });
    // Before the daemon's first start there is no failed queue; that is nothing to see, and no failure.
    await declareQueue(connection, config.queues.failed);
    await cancelledBySignals((signal) => work(connection, config, signal), closers);
    return Exit.Done;
  } finally {
    await closers.closeAll();
  }
}

function count(groups: Map<string, Group>, message: FailedMessage): void {
  const { outcome, code, failedAt } = message;
  const project = projectOf(message);
  const reason = groups.size < MOST_REASONS ? message.reason : null;
  const key = JSON.stringify([project, outcome, code, reason]);
  const group = groups.get(key) ?? {
    project,
    outcome,
    code,
    reason,
    messages: 0,
    first: failedAt,
    last: failedAt,
  };
  groups.set(key, group);
  group.messages += 1;
  if (failedAt === null) return;
  if (group.first === null || failedAt < group.first) group.first = failedAt;
  if (group.last === null || failedAt > group.last) group.last = failedAt;
}

function groupJson({ project, outcome, code, reason, messages, first, last }: Group): object {
  return {
    ...{ project_name: project, outcome, code, reason, messages },
    ...{ first_failed_at: first, last_failed_at: last },
  };
}

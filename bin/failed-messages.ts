import { MessageRejectedError, parseImagingMessage } from '../src/core/message.js';
import type { FailedMessage } from '../src/queue/index.js';

/** Somebody is waiting at the terminal: a broker that is away is told soon. */
export const START_TIMEOUT_MS = 5_000;

/** Which messages of the failed queue a command is about (`addFailedOptions`). */
export interface FailedFilter {
  readonly reason?: string;
  readonly project?: string;
}

export function matchesFilter(message: FailedMessage, { reason, project }: FailedFilter): boolean {
  if (project !== undefined && projectOf(message) !== project) return false;
  if (reason === undefined) return true;
  return message.outcome === reason || message.code === reason || message.reason?.includes(reason) === true;
}

/** null = the message can't be read. */
export function projectOf(message: FailedMessage): string | null {
  try {
    return parseImagingMessage(message.body).projectName;
  } catch (error) {
    if (error instanceof MessageRejectedError) return null;
    throw error;
  }
}

import type { Rate } from '../../src/api/index.js';
import { ApiRefusedError, type ApiClient } from '../api-client.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printRemark } from '../output.js';

/** What was done to a queue; null = all queues. */
export interface RateSet {
  readonly queue: string | null;
  readonly rate: Rate;
}

/**
 * Sets the rate of the queues, or of all of them, and prints what it lacks. All names are looked up first, so that a wrong
 * one changes nothing.
 *
 * @throws ApiRefusedError with `isUnknownQueue`.
 */
export async function setRates(
  client: ApiClient,
  rate: Rate,
  queues: readonly string[] | undefined,
): Promise<readonly RateSet[]> {
  for (const queue of queues ?? []) await client.rate(queue);
  const asked = queues ?? [null];
  for (const queue of asked) {
    const remarks = /; (.*)$/s.exec(await client.setRate(rate, queue))?.[1];
    if (remarks !== undefined) printRemark(`${queue ?? 'all queues'}: ${remarks}`);
  }
  return asked.map((queue) => ({ queue, rate }));
}

/** Runs a command whose queues may be unknown to the daemon: that is exit code 3. */
export async function withKnownQueues(command: () => Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await command();
  } catch (error) {
    if (!(error instanceof ApiRefusedError) || !error.isUnknownQueue) throw error;
    printRemark(`error: ${error.message}`);
    return Exit.NotFound;
  }
}

/** `5 per second`, for people. */
export function rateText(rate: Rate): string {
  if (rate === 0) return '0 (paused)';
  return rate === 'unlimited' ? rate : `${rate} per second`;
}

/** `imaging-primary: 5 per second` */
export function rateSetText({ queue, rate }: RateSet): string {
  return `${queue ?? 'all queues'}: ${rateText(rate)}`;
}

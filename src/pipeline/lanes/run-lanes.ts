import { throwIfCancelled } from '../../core/cancel.js';

/** One of several that work on the same study at the same time, each over associations of its own. */
export interface Lane {
  /** Not the first one: it makes room when somebody else waits for what it has. */
  readonly isExtra: boolean;
  /** It has taken something to do: another lane is begun when there is more, and room for one. */
  begun(): void;
}

/** Work that lanes share. */
export interface LaneWork {
  /** For errors. */
  readonly operation: string;
  /** There is something that no lane has begun. */
  readonly hasMore: boolean;
  /** Whether one more lane would find room now. */
  readonly hasRoom: boolean;
  /** Takes and does what is left, until nothing is, or for an extra lane until it is in somebody's way. */
  run(lane: Lane): Promise<void>;
  /** What has been begun is finished, nothing new is. */
  stop(): void;
}

/**
 * Has lanes do the work: the first one at once, others while there is room and work for them, `most` at a time, which is asked for each time. When one fails,
 * nothing new is begun, and the others are waited for.
 *
 * @throws what ended the first lane that failed; CancelledError
 */
export async function runLanes(work: LaneWork, most: () => number, signal: AbortSignal): Promise<void> {
  const failures: unknown[] = [];
  const running: Promise<void>[] = [];
  let lanes = 0;
  const begun = (): void => {
    if (lanes < most() && work.hasMore && work.hasRoom) start(true);
  };
  const start = (isExtra: boolean): void => {
    lanes += 1;
    const lane = work
      .run({ isExtra, begun })
      .catch((error: unknown) => {
        failures.push(error);
        work.stop();
      })
      .finally(() => (lanes -= 1));
    running.push(lane);
  };
  throwIfCancelled(signal, work.operation);
  start(false);
  for (const lane of running) await lane; // which may have added others
  if (failures.length > 0) throw failures[0];
  throwIfCancelled(signal, work.operation);
}

import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * What outlives one test on purpose: peers that all tests of a mocha process share. The leak check passes over
 * them, and they are closed once, after the last test.
 */
interface LongLived {
  readonly name: string;
  readonly close: () => Promise<void> | void;
}

/** Handles that belong to long-lived things and are no leak when a test ends with them open. */
export interface Allowance {
  readonly sockets?: number;
  readonly timers?: number;
}

const scope = new AsyncLocalStorage<string>();
const opened: LongLived[] = [];
const allowances = new Map<string, Allowance>();

/** Whatever `open` starts (processes, temp dirs) is marked as long-lived under this name. */
export function openLongLived<T>(name: string, open: () => Promise<T>): Promise<T> {
  return scope.run(name, open);
}

/** The name of the long-lived thing that is being opened, when one is. */
export function longLivedScope(): string | undefined {
  return scope.getStore();
}

/** Runs at the end of the mocha process, last registered first. */
export function closeAtEnd(name: string, close: () => Promise<void> | void): void {
  opened.push({ name, close });
}

/** The one of its kind in this test process: started by the first who asks, closed after the last test. */
export function sharedByAll<T>(
  name: string,
  start: () => Promise<T>,
  close: (one: T) => Promise<unknown>,
): () => Promise<T> {
  let shared: Promise<T> | undefined;
  return () =>
    (shared ??= openLongLived(name, async () => {
      const one = await start();
      closeAtEnd(name, async () => {
        shared = undefined;
        await close(one);
      });
      return one;
    }));
}

/** Tells the leak check that a long-lived thing keeps so many sockets and timers (a shared broker connection, say). */
export function allowLongLived(name: string, allowance: Allowance): void {
  allowances.set(name, allowance);
}

export function allowedHandles(): { sockets: number; timers: number } {
  let sockets = 0;
  let timers = 0;
  for (const allowance of allowances.values()) {
    sockets += allowance.sockets ?? 0;
    timers += allowance.timers ?? 0;
  }
  return { sockets, timers };
}

/** Closes every long-lived thing, even when one fails. Calling it twice does no harm. */
export async function closeLongLived(): Promise<void> {
  const failures: unknown[] = [];
  for (let next = opened.pop(); next !== undefined; next = opened.pop()) {
    try {
      await next.close();
    } catch (cause) {
      failures.push(new Error(`closing ${next.name} failed`, { cause }));
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'closing long-lived test peers failed');
}

// Loaded by a test file, this is a root hook; when the leak check loaded it first, the leak check's own hook closes.
const after = (globalThis as { after?: (hook: () => Promise<void>) => void }).after;
after?.(closeLongLived);

import { createHash } from 'node:crypto';
import type { SopInstanceUid } from './ids.js';
import { encodeImagingMessage, type ImagingMessage } from './message.js';

/**
 * Which instances of a message anon has acknowledged, from one attempt to the next, so that the next one sends the rest. What is
 * lost of it is sent again, which does no harm: nothing else depends on it.
 */
export interface Acknowledgements {
  /** Empty for a message of which nothing was kept; null when it can't be told now: nothing waits for it. */
  of(message: ImagingMessage, signal: AbortSignal): Promise<ReadonlySet<SopInstanceUid> | null>;
  /** All that it has acknowledged so far; when it can't be kept now, it is sent again. */
  keep(message: ImagingMessage, uids: readonly SopInstanceUid[], signal: AbortSignal): Promise<void>;
  /** The message has come to its end. Resolves when nothing of it is kept: it may be asked for again when anon is another one. */
  forget(message: ImagingMessage, signal: AbortSignal): Promise<void>;
}

/** Of a larger message nothing is kept, and all of it is sent again. */
export const MOST_ACKNOWLEDGED = 20_000;
/** Without a database: so many images of messages that wait for another attempt. */
const MOST_IN_MEMORY = 200_000;

/** Keeps them while the process runs; of too many the oldest go. */
export function acknowledgedInMemory(): Acknowledgements {
  const nameOf = (message: ImagingMessage): string =>
    createHash('sha256').update(encodeImagingMessage(message)).digest('base64');
  const kept = new Map<string, ReadonlySet<SopInstanceUid>>();
  let images = 0;
  const drop = (name: string): void => {
    images -= kept.get(name)?.size ?? 0;
    kept.delete(name);
  };
  return {
    of: (message) => Promise.resolve(kept.get(nameOf(message)) ?? new Set()),
    keep: (message, uids) => {
      const name = nameOf(message);
      drop(name);
      if (uids.length > 0 && uids.length <= MOST_ACKNOWLEDGED) {
        kept.set(name, new Set(uids));
        images += uids.length;
      }
      for (const oldest of kept.keys()) {
        if (images <= MOST_IN_MEMORY) break;
        drop(oldest);
      }
      return Promise.resolve();
    },
    forget: (message) => {
      drop(nameOf(message));
      return Promise.resolve();
    },
  };
}

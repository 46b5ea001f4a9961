import { createHash } from 'node:crypto';
import type { SopInstanceUid } from './ids.js';
import { encodeImagingMessage, type ImagingMessage } from './message.js';

/** Instances of which nothing more is to be done: null for those that anon has acknowledged, the rule for those that are left out. */
export type Settled = ReadonlyMap<SopInstanceUid, string | null>;

/**
 * Which instances of a message are delivered or left out for good, from one attempt to the next, so that the next one sends the rest. What is
 * lost of it is sent again, which does no harm: nothing else depends on it.
 */
export interface Acknowledgements {
  /** Empty for a message of which nothing was kept; null when it can't be told now: nothing waits for it. */
  of(message: ImagingMessage, signal: AbortSignal): Promise<Settled | null>;
  /** All that is settled so far; when it can't be kept now, it is sent again. */
  keep(message: ImagingMessage, settled: Settled, signal: AbortSignal): Promise<void>;
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
  const kept = new Map<string, Settled>();
  let images = 0;
  const drop = (name: string): void => {
    images -= kept.get(name)?.size ?? 0;
    kept.delete(name);
  };
  return {
    of: (message) => Promise.resolve(kept.get(nameOf(message)) ?? new Map()),
    keep: (message, settled) => {
      const name = nameOf(message);
      drop(name);
      if (settled.size > 0 && settled.size <= MOST_ACKNOWLEDGED) {
        kept.set(name, new Map(settled));
        images += settled.size;
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

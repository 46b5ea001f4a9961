import { setFlagsFromString } from 'node:v8';
import { constants, createContext } from 'node:vm';

/**
 * Three times what a relay has in hand at most (inbox, unconfirmed instances, send buffer): no buffer of it lives through two
 * collections, which would make it one of the old generation, for a full collection to find.
 */
const BYTES_PER_COLLECTION = 16 * 1024 * 1024;

type CollectGarbage = (options: { readonly type: 'minor' }) => void;

let collectGarbage: CollectGarbage | null = null;
let bytesSinceCollection = 0;

/**
 * To be told of each buffer that a socket was read into; has V8 collect those that nobody needs any more.
 *
 * Node reads into a new buffer each time. Until Node 22, V8 collected its young generation also when the memory behind the
 * buffers in it came to 32 or 64 MiB; since Node 24 it hardly does before its own space is full of small objects, of which a
 * stream of bytes makes few. 60 MiB are no longer needed by then, however little is in hand. A lower limit
 * (`--max-semi-space-size`) can be set only when the process starts.
 */
export function countReadBuffer(bytes: number): void {
  bytesSinceCollection += bytes;
  if (bytesSinceCollection < BYTES_PER_COLLECTION) return;
  bytesSinceCollection = 0;
  collectGarbage ??= exposedCollection();
  collectGarbage({ type: 'minor' });
}

/** V8 puts the function into contexts that are made while the flag is set. Without it, V8 collects when it will. */
function exposedCollection(): CollectGarbage {
  setFlagsFromString('--expose-gc');
  const { gc } = createContext(constants.DONT_CONTEXTIFY) as { readonly gc?: CollectGarbage };
  setFlagsFromString('--no-expose-gc');
  return gc ?? (() => undefined);
}

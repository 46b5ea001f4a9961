import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** In bytes. */
export interface HeldMemory {
  readonly heap: number;
  readonly arrayBuffers: number;
}

let collectGarbage: (() => void) | undefined;

/**
 * What this process holds: garbage is collected first, also when node was started without --expose-gc. The buffers that one
 * collection finds are freed in the background and counted off by the next one, hence several.
 */
export function heldMemory(): HeldMemory {
  collectGarbage ??= exposedCollection();
  for (let times = 0; times < 3; times += 1) collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, arrayBuffers };
}

/** The flag is set for a moment only: other tests of the process ask what code finds in contexts of its own. */
function exposedCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return gc;
}

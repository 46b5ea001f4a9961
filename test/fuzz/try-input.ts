import { patience } from '../support/patience.js';
import { Random } from './random.js';
import type { Target } from './target.js';

/** An input of 256 KiB takes a few ms; what takes this long once more when tried again, as patience has it, blocks a daemon. */
export const MAX_MS = 2_000;

/** What does not hold for the input; null when all does. */
export async function problemOf(target: Target, input: Buffer): Promise<string | null> {
  const before = process.memoryUsage().arrayBuffers;
  const problem = await onceProblemOf(target, input, before);
  // A busy machine or the garbage collection may be slow once.
  return problem?.mayPass === true
    ? ((await onceProblemOf(target, input, before))?.text ?? null)
    : (problem?.text ?? null);
}

async function onceProblemOf(
  target: Target,
  input: Buffer,
  before: number,
): Promise<{ readonly text: string; readonly mayPass: boolean } | null> {
  const startedAt = performance.now();
  try {
    await target.run(input, Random.of(input));
  } catch (error) {
    return { text: error instanceof Error ? (error.stack ?? String(error)) : String(error), mayPass: false };
  }
  const ms = performance.now() - startedAt;
  if (ms > patience(MAX_MS))
    return { text: `took ${Math.round(ms)} ms for ${input.length} bytes`, mayPass: true };
  const bytes = process.memoryUsage().arrayBuffers - before;
  return bytes > target.maxMemory
    ? { text: `took ${bytes} bytes of buffers for ${input.length} bytes`, mayPass: false }
    : null;
}

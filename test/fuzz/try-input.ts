import { patience } from '../support/patience.js';
import { Random } from './random.js';
import type { Target } from './target.js';

/** An input of 256 KiB takes a few ms of the processor; what takes this long once more when tried again, as patience has it, blocks a daemon. */
export const MAX_MS = 2_000;

/** What does not hold for the input; null when all does. */
export async function problemOf(target: Target, input: Buffer): Promise<string | null> {
  const before = process.memoryUsage().arrayBuffers;
  const problem = await onceProblemOf(target, input, before);
  // The garbage collection may be slow once, and leave what could go.
  return problem?.mayPass === true
    ? ((await onceProblemOf(target, input, before))?.text ?? null)
    : (problem?.text ?? null);
}

async function onceProblemOf(
  target: Target,
  input: Buffer,
  before: number,
): Promise<{ readonly text: string; readonly mayPass: boolean } | null> {
  const startedAt = process.cpuUsage();
  try {
    await target.run(input, Random.of(input));
  } catch (error) {
    return { text: error instanceof Error ? (error.stack ?? String(error)) : String(error), mayPass: false };
  }
  const { user, system } = process.cpuUsage(startedAt);
  const ms = (user + system) / 1_000;
  if (ms > patience(MAX_MS))
    return { text: `took ${Math.round(ms)} ms of the processor for ${input.length} bytes`, mayPass: true };
  const bytes = process.memoryUsage().arrayBuffers - before;
  return bytes > target.maxMemory
    ? { text: `took ${bytes} bytes of buffers for ${input.length} bytes`, mayPass: true }
    : null;
}

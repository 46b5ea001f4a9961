/** The window of an archive's record that comes nearest to what a rate allows, or goes beyond it. */
export interface WorstWindow {
  /** Images that were sent in it. */
  readonly images: number;
  /** Its length: 1 s or more. */
  readonly seconds: number;
  /** rate × window + capacity. */
  readonly allowed: number;
}

/**
 * Looks at every window of a second or more: those that begin and end with an image are enough, because any other of
 * the same images is longer. Where they are nearer together than a second, the window is a second.
 *
 * @param times when each image was sent, in ms
 */
export function worstWindow(times: readonly number[], rate: number, capacity: number): WorstWindow {
  const sorted = [...times].sort((a, b) => a - b);
  let worst: WorstWindow = { images: 0, seconds: 1, allowed: rate + capacity };
  const look = (from: number, to: number): void => {
    const images = to - from + 1;
    const seconds = Math.max(1, ((sorted[to] ?? NaN) - (sorted[from] ?? NaN)) / 1000);
    const allowed = rate * seconds + capacity;
    if (images - allowed > worst.images - worst.allowed) worst = { images, seconds, allowed };
  };
  /** The first image of the second that ends with `to`. */
  let second = 0;
  /** Of the windows above a second that end with `to`: the beginning with the most images for its time. */
  let best = -1;
  const ahead = (index: number): number => index - (rate * (sorted[index] ?? NaN)) / 1000;
  for (let to = 0; to < sorted.length; to += 1) {
    for (; (sorted[to] ?? NaN) - (sorted[second] ?? NaN) > 1000; second += 1)
      if (best < 0 || ahead(second) < ahead(best)) best = second;
    look(second, to);
    if (best >= 0) look(best, to);
  }
  return worst;
}

/** Images per second in the `seconds` from a moment on. */
export function meanRate(times: readonly number[], from: number, seconds: number): number {
  return times.filter((at) => at >= from && at < from + seconds * 1000).length / seconds;
}

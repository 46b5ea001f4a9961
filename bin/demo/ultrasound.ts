import type { Picture } from './phantom.js';
import { randomNumbers } from './random.js';

/** A sector scan: layers of tissue in speckle, and a cyst, dark, with the echo behind it enhanced. Values 0 to 1. */
export function ultrasound(size: number, cystX: number, seed: number): Picture {
  const values = new Float64Array(size * size);
  const next = randomNumbers(seed);
  for (let row = 0; row < size; row += 1)
    for (let column = 0; column < size; column += 1) {
      const speckle = -Math.log(1 - next());
      const [x, y] = [(column - size / 2) / size, row / size + 0.08];
      const depth = Math.hypot(x, y);
      if (depth < 0.16 || depth > 0.98 || Math.abs(Math.atan2(x, y)) > 0.62) continue;
      values[row * size + column] = Math.min(1, echo(x, y, depth, cystX) * (0.35 + 0.65 * speckle));
    }
  return { size, values: smoothed(values, size) };
}

function echo(x: number, y: number, depth: number, cystX: number): number {
  const layers = 0.28 + 0.1 * Math.sin(depth * 40 + x * 6) + (Math.abs(depth - 0.3) < 0.008 ? 0.6 : 0);
  const fromCyst = Math.hypot(x - cystX, (y - 0.55) * 1.2);
  if (fromCyst < 0.11) return 0.015;
  const wall = fromCyst < 0.12 ? 0.35 : 0;
  const behind = Math.abs(x * (0.55 / y) - cystX) < 0.1 && y > 0.6 ? 1.7 : 1;
  return (layers + wall) * behind * Math.exp(-0.7 * depth);
}

/** Speckle is wider than high: the beam is wider than the pulse is long. */
function smoothed(values: Float64Array, size: number): Float64Array {
  const smooth = new Float64Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    const column = at % size;
    const left = column > 0 ? (values[at - 1] ?? 0) : 0;
    const right = column < size - 1 ? (values[at + 1] ?? 0) : 0;
    smooth[at] = (left + 2 * (values[at] ?? 0) + right) / 4;
  }
  return smooth;
}

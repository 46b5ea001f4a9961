import { chest, head, shadow, slice, type Picture } from './phantom.js';
import { randomNumbers } from './random.js';
import { ultrasound } from './ultrasound.js';
import type { Pixels } from './write-instance.js';

const SIZE = 256;

/** Slices of a head, from the top of the neck to the crown, in Hounsfield units. */
export function ctHead(images: number): Pixels[] {
  const body = head(0.045);
  return heights(images, -50, 75).map((z, index) => ({
    ...grey(slice(body, z, SIZE, 230), (density) => (density - 1.02) * 1000, 6, index),
    window: { centre: 10, width: 130 },
  }));
}

/** The same head as MR shows it: bone is dark, and what is wet is bright (T2) or dark (T1). */
export function mrHead(images: number, weighting: 'T1' | 'T2'): Pixels[] {
  const body = head(0.05);
  const signal = (density: number): number => {
    if (density > 1.2 || density < 0.5) return density < 0.5 ? 0 : 60;
    const water = Math.abs(density - 1.02);
    return weighting === 'T1' ? 520 - water * 7000 : 260 + water * 9000;
  };
  return heights(images, -40, 70).map((z, index) => ({
    ...grey(slice(body, z, SIZE, 230), signal, 16, index),
    window: { centre: 330, width: 660 },
  }));
}

/** A chest radiograph, from the front or from the side. */
export function chestRadiograph(from: 'front' | 'side'): Pixels {
  const picture = shadow(chest(), from, 2 * SIZE, 420);
  const film = (met: number): number => 4000 * (1 - Math.exp(-Math.max(0, met) / 150));
  return { ...grey(picture, film, 12, 1), window: { centre: 1900, width: 3400 } };
}

/** Slices of a chest in Hounsfield units. */
export function ctChest(images: number): Pixels[] {
  const body = chest();
  return heights(images, -70, 90).map((z, index) => ({
    ...grey(slice(body, z, SIZE, 380), (density) => (density - 1) * 1000, 18, index),
    window: { centre: -200, width: 1500 },
  }));
}

/** A sweep over a cyst. */
export function ultrasoundSweep(images: number): Pixels[] {
  return Array.from({ length: images }, (_, index) => ({
    ...grey(ultrasound(SIZE, 0.18 - (0.36 * index) / images, 7 + index), (echo) => 255 * echo, 0, index),
    window: { centre: 100, width: 200 },
  }));
}

function heights(images: number, from: number, to: number): number[] {
  return Array.from({ length: images }, (_, index) => from + ((to - from) * index) / Math.max(1, images - 1));
}

/** @param noise how far a value strays, in the values' own unit */
function grey(
  { size, values }: Picture,
  value: (of: number) => number,
  noise: number,
  seed: number,
): Pick<Pixels, 'size' | 'values'> {
  const next = randomNumbers(seed + 1);
  return {
    size,
    values: Int16Array.from(values, (one) => Math.round(value(one) + noise * (next() + next() - 1))),
  };
}

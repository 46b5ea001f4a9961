/**
 * Bodies made of ellipsoids whose densities add up, so that a slice through them and a shadow of them can be computed
 * exactly. Lengths are in millimetres, from the middle of the body: x to the patient's left, y to the back, z to the head.
 */
export interface Ellipsoid {
  readonly centre: Point;
  /** Half of each axis. */
  readonly radii: Point;
  /** Turned about the z axis by so many degrees. */
  readonly turned?: number;
  /** Added to that of what it lies in; water is 1, air 0. */
  readonly density: number;
}

export type Point = readonly [x: number, y: number, z: number];

/** A picture: `size` × `size` values, row by row from the top left. */
export interface Picture {
  readonly size: number;
  readonly values: Float64Array;
}

/** Densities in the plane z, as CT and MR show it: the patient's right is at the left. */
export function slice(body: readonly Ellipsoid[], z: number, size: number, width: number): Picture {
  const values = new Float64Array(size * size);
  for (const ellipsoid of body) {
    const height = (z - ellipsoid.centre[2]) / ellipsoid.radii[2];
    if (Math.abs(height) >= 1) continue;
    paint(values, size, width, ellipsoid, 1 - height * height);
  }
  return { size, values };
}

/** Adds an ellipsoid's density where it meets the plane: in an ellipse whose axes are the root of `left` of its own. */
function paint(
  values: Float64Array,
  size: number,
  width: number,
  { centre, radii, turned = 0, density }: Ellipsoid,
  left: number,
): void {
  const [cos, sin] = [Math.cos((turned * Math.PI) / 180), Math.sin((turned * Math.PI) / 180)];
  const reach = Math.max(radii[0], radii[1]);
  const pixel = width / size;
  const index = (at: number): number => Math.floor((at + width / 2) / pixel);
  const [firstRow, lastRow] = [index(centre[1] - reach), index(centre[1] + reach)];
  const [firstColumn, lastColumn] = [index(centre[0] - reach), index(centre[0] + reach)];
  for (let row = Math.max(0, firstRow); row <= Math.min(size - 1, lastRow); row += 1)
    for (let column = Math.max(0, firstColumn); column <= Math.min(size - 1, lastColumn); column += 1) {
      const x = (column + 0.5) * pixel - width / 2 - centre[0];
      const y = (row + 0.5) * pixel - width / 2 - centre[1];
      const u = (x * cos + y * sin) / radii[0];
      const v = (y * cos - x * sin) / radii[1];
      if (u * u + v * v < left) values[row * size + column] = (values[row * size + column] ?? 0) + density;
    }
}

/** How much an X-ray meets on its way straight through the body: from the front, or from the side. Head at the top. */
export function shadow(
  body: readonly Ellipsoid[],
  from: 'front' | 'side',
  size: number,
  width: number,
): Picture {
  const values = new Float64Array(size * size);
  const pixel = width / size;
  for (const { centre, radii, density } of body) {
    const [across, along] = from === 'front' ? ([0, 1] as const) : ([1, 0] as const);
    const [middle, reach, depth] = [centre[across], radii[across], radii[along]];
    for (let row = 0; row < size; row += 1) {
      const v = (width / 2 - (row + 0.5) * pixel - centre[2]) / radii[2];
      if (v * v >= 1) continue;
      for (let column = 0; column < size; column += 1) {
        const u = ((column + 0.5) * pixel - width / 2 - middle) / reach;
        const left = 1 - u * u - v * v;
        if (left <= 0) continue;
        const met = 2 * depth * density * Math.sqrt(left);
        values[row * size + column] = (values[row * size + column] ?? 0) + met;
      }
    }
  }
  return { size, values };
}

/** A head: skull, brain, ventricles, and two lesions, after the proportions of Shepp and Logan's phantom. */
export function head(lesions: number): Ellipsoid[] {
  const at = (x: number, y: number, z: number): Point => [x * 100, y * 100, z * 100];
  return [
    { centre: at(0, 0, 0), radii: at(0.69, 0.92, 0.9), density: 1.9 },
    { centre: at(0, 0.0184, 0), radii: at(0.6624, 0.874, 0.88), density: -0.88 },
    { centre: at(0, -0.3, 0.05), radii: at(0.21, 0.25, 0.5), density: 0.012 },
    { centre: at(-0.22, 0, -0.05), radii: at(0.16, 0.41, 0.22), turned: 18, density: -0.03 },
    { centre: at(0.22, 0, -0.05), radii: at(0.11, 0.31, 0.22), turned: -18, density: -0.03 },
    { centre: at(0, 0.35, -0.1), radii: at(0.046, 0.3, 0.2), density: -0.02 },
    { centre: at(0.06, 0.605, 0.1), radii: at(0.1, 0.06, 0.12), density: lesions },
    { centre: at(-0.28, 0.45, 0.25), radii: at(0.07, 0.05, 0.09), density: lesions },
    { centre: at(0, -0.86, 0.1), radii: at(0.3, 0.03, 0.12), density: 0.25 },
  ];
}

/** A chest: lungs with a nodule, heart, spine, and ribs. */
export function chest(): Ellipsoid[] {
  const lungs: Ellipsoid[] = [-1, 1].flatMap((side) => [
    { centre: [side * 80, 0, 5], radii: [58, 75, 125], density: -0.78 } as const,
    { centre: [side * 75, 5, 40], radii: [10, 10, 60], density: 0.08 } as const,
    { centre: [side * 55, 0, -10], radii: [9, 9, 50], density: 0.1 } as const,
  ]);
  return [
    { centre: [0, 0, 0], radii: [175, 110, 420], density: 1.02 },
    ...lungs,
    { centre: [95, -15, 60], radii: [9, 9, 9], density: 0.7 },
    { centre: [28, -25, -45], radii: [52, 50, 62], density: 0.62 },
    ...spine(),
    ...ribs(),
  ];
}

function spine(): Ellipsoid[] {
  return Array.from({ length: 15 }, (_, index) => ({
    centre: [0, 70, -190 + index * 28] as const,
    radii: [20, 18, 12] as const,
    density: 0.55,
  }));
}

/** Each rib is a row of beads along a sloping ellipse. */
function ribs(): Ellipsoid[] {
  const beads: Ellipsoid[] = [];
  for (let rib = 0; rib < 9; rib += 1)
    for (const side of [-1, 1])
      for (let degrees = -65; degrees <= 88; degrees += 4) {
        const angle = (degrees * Math.PI) / 180;
        const [x, y] = [side * (25 + 120 * Math.cos(angle)), 88 * Math.sin(angle)];
        beads.push({ centre: [x, y, 125 - rib * 30 + y * 0.3], radii: [6, 6, 4.5], density: 0.5 });
      }
  return beads;
}

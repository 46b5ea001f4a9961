import type { Rectangle } from '../head.js';

/** Columns of a row from the first to the one before the last. */
export type Run = readonly [from: number, to: number];

/** The runs of each row that are to be blanked, in ascending order without overlaps; rows that are alike share them. */
export type Blanks = readonly (readonly Run[])[];

/**
 * @param kept all outside of these is blanked; null blanks nothing by that
 * @param blanked these are blanked, too, whatever is kept
 */
export function blanksOf(
  rows: number,
  columns: number,
  kept: readonly Rectangle[] | null,
  blanked: readonly Rectangle[],
): Blanks {
  const edges = [0, ...[...(kept ?? []), ...blanked].flatMap(({ top, bottom }) => [top, bottom])];
  const tops = [...new Set(edges)].filter((row) => row < rows).sort((one, other) => one - other);
  const blanks: (readonly Run[])[] = [];
  for (const [index, top] of tops.entries()) {
    const inRow = (each: Rectangle): boolean => each.top <= top && top < each.bottom;
    const outside = kept === null ? [] : complement(runsOf(kept.filter(inRow), columns), columns);
    const runs = united([...outside, ...runsOf(blanked.filter(inRow), columns)]);
    for (let row = top; row < (tops[index + 1] ?? rows); row += 1) blanks.push(runs);
  }
  return blanks;
}

function runsOf(rectangles: readonly Rectangle[], columns: number): Run[] {
  const clipped = rectangles.map(({ left, right }): Run => [left, Math.min(right, columns)]);
  return united(clipped.filter(([from, to]) => from < to));
}

function united(runs: readonly Run[]): Run[] {
  const result: [number, number][] = [];
  for (const [from, to] of [...runs].sort(([one], [other]) => one - other)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

function complement(runs: readonly Run[], columns: number): Run[] {
  const edges = [0, ...runs.flat(), columns];
  const gaps: Run[] = [];
  for (let index = 0; index < edges.length; index += 2) gaps.push([edges[index] ?? 0, edges[index + 1] ?? 0]);
  return gaps.filter(([from, to]) => from < to);
}

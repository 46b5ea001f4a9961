import { expect } from 'chai';
import { compareWindows, windowsOf } from './flat.js';
import type { Measure, Sample } from './samples.js';

const STEADY: Omit<Sample, 'at'> = {
  ...{ residentMiB: 130, heapMiB: 40, externalMiB: 6, cpuSeconds: 1 },
  ...{ handles: 25, sockets: 6, timers: 8, resources: 17 },
};

/** A sample every 3 s for half an hour; `more` says what there is besides at a second. */
function traffic(more: (at: number) => Partial<Record<Measure, number>> = () => ({})): Sample[] {
  return Array.from({ length: 600 }, (_, index) => {
    const at = index * 3;
    const added = Object.entries(more(at)).map(([measure, value]) => [
      measure,
      STEADY[measure as Measure] + value,
    ]);
    return { at, ...STEADY, ...(Object.fromEntries(added) as Partial<Sample>) };
  });
}

const REST = { restBefore: traffic().slice(0, 10), restAfter: traffic().slice(0, 10) };

function growing(samples: readonly Sample[], rest = REST): string[] {
  return compareWindows(windowsOf(samples, rest)).flatMap(({ when, measure, isFlat }) =>
    isFlat ? [] : [`${measure} ${when}`],
  );
}

describe("a soak's verdict", () => {
  it('is flat where all comes and goes, and grows during the warm-up', () => {
    expect(growing(traffic((at) => ({ sockets: at % 60 === 0 ? 12 : 0, heapMiB: at % 30 })))).to.deep.equal(
      [],
    );
    expect(growing(traffic((at) => ({ residentMiB: Math.min(at, 200) / 2 })))).to.deep.equal([]);
  });

  for (const [measure, anHour] of [
    ['residentMiB', 120],
    ['heapMiB', 40],
    ['externalMiB', 40],
    ['handles', 40],
    ['sockets', 30],
    ['timers', 30],
    ['resources', 50],
  ] as const)
    it(`is not for ${measure} when there is a little more each minute (${anHour} in an hour)`, () => {
      expect(growing(traffic((at) => ({ [measure]: (at / 3_600) * anHour })))).to.deep.equal([
        `${measure} under load`,
      ]);
    });

  it('is not when something is left over at rest, however little it is beside the load', () => {
    const restAfter = traffic(() => ({ sockets: 3, timers: 3 })).slice(0, 10);
    expect(growing(traffic(), { ...REST, restAfter })).to.deep.equal(['sockets at rest', 'timers at rest']);
  });

  it('is none without samples', () => {
    expect(() => growing([])).to.throw('the soak was too short');
  });
});

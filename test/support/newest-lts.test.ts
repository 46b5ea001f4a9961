import { expect } from 'chai';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from './fixtures.js';

interface Script {
  readonly newestLts: (times: Readonly<Record<string, string>>, now: Date) => number;
}

const TIMES = {
  created: '2024-12-06T00:00:00.000Z',
  '24.0.0': '2025-05-06T00:00:00.000Z',
  '25.0.0': '2025-10-16T00:00:00.000Z',
  '26.0.0': '2026-05-06T00:00:00.000Z',
  '26.12.1': '2026-10-22T00:00:00.000Z',
  '27.0.0': '2026-10-20T00:00:00.000Z',
  '28.0.0': '2027-04-20T00:00:00.000Z',
};

describe('the newest LTS of Node.js', () => {
  let newestLts: Script['newestLts'];

  before(async () => {
    const url = pathToFileURL(join(projectRoot, 'scripts/newest-lts.mjs')).href;
    ({ newestLts } = (await import(url)) as Script);
  });

  for (const [day, major] of [
    ['2026-10-15', 24],
    ['2026-11-30', 26],
    ['2027-06-01', 26],
    ['2027-11-01', 28],
  ] as const)
    it(`is ${major} on ${day}`, () => {
      expect(newestLts(TIMES, new Date(day))).to.equal(major);
    });

  it('is not made up where none is known', () => {
    expect(() => newestLts({ '27.0.0': '2026-10-20T00:00:00.000Z' }, new Date('2027-01-01'))).to.throw('LTS');
  });
});

import { expect } from 'chai';
import { dummyValue, shiftedDates } from '../../src/deidentify/values.js';

describe('Dates that move into the past', () => {
  const rows: readonly (readonly [value: string, days: number, want: string | null])[] = [
    ['20240301', 1, '20240229'],
    ['20230301', 1, '20230228'],
    ['20240101', 365, '20230101'],
    ['20240101101112.123456+0100', 1, '20231231101112.123456+0100'],
    ['2024010110', 1, '2023123110'],
    ['20240301\\20240302', 1, '20240229\\20240301'],
    ['2024.03.01', 1, '20240229'],
    [' 20240301 ', 1, '20240229'],
    ['', 5, ''],
    ['20230230', 1, null],
    ['20231301', 1, null],
    ['202403', 1, null],
    ['today', 1, null],
    ['20240301-20240302', 1, null],
    ['00991231', 1, null],
  ];
  for (const [value, days, want] of rows)
    it(`"${value}" by ${days} is ${want === null ? 'no date' : `"${want}"`}`, () => {
      expect(shiftedDates(value, days)).to.equal(want);
    });

  it('never move by nothing or into the future', () => {
    for (const days of [0, -1, 1.5, Number.NaN]) expect(() => shiftedDates('20240301', days)).to.throw();
  });
});

describe('A dummy value', () => {
  it('is of the form of its VR', () => {
    expect(dummyValue('DA').toString()).to.match(/^\d{8}$/);
    expect(dummyValue('US')).to.deep.equal(Buffer.alloc(2));
    expect(dummyValue('FD')).to.deep.equal(Buffer.alloc(8));
    expect(dummyValue('SH').length).to.be.at.most(16);
    expect(dummyValue('CS').length).to.be.at.most(16);
  });
});

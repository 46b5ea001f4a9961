import { expect } from 'chai';
import fc from 'fast-check';
import { dateTimeMatcher } from '../../../../src/dimse/scp/matching/date-time.js';

const two = (number: number): string => String(number).padStart(2, '0');
const dates = fc
  .date({ min: new Date('1900-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10).replaceAll('-', ''));
const times = fc
  .tuple(fc.nat(23), fc.nat(59), fc.nat(59), fc.nat(999_999))
  .map(([h, m, s, f]) => `${two(h)}${two(m)}${two(s)}.${String(f).padStart(6, '0')}`);

function matches(vr: 'DA' | 'TM' | 'DT', key: string, value: string): boolean {
  const matcher = dateTimeMatcher(vr, key);
  expect(matcher, `${vr} ${key}`).not.to.equal(null);
  return matcher!(value);
}

describe('A range', () => {
  for (const [vr, values] of [
    ['DA', dates],
    ['TM', times],
    ['DT', fc.tuple(dates, times).map(([date, time]) => date + time)],
  ] as const)
    it(`of VR ${vr} holds what lies between its ends, both included, as their texts are ordered`, () => {
      fc.assert(
        fc.property(values, values, values, (one, other, value) => {
          expect(matches(vr, `${one}-${other}`, value)).to.equal(one <= value && value <= other);
          expect(matches(vr, `${one}-`, value)).to.equal(one <= value);
          expect(matches(vr, `-${other}`, value)).to.equal(value <= other);
          expect(matches(vr, `${one}-${one}`, one)).to.equal(true);
          expect(matches(vr, one, value)).to.equal(one === value);
        }),
        { numRuns: 300 },
      );
    });

  it('of times that are not given in full ends with the last moment that they leave open', () => {
    fc.assert(
      fc.property(times, fc.constantFrom(2, 4, 6), (time, digits) => {
        const cut = time.slice(0, digits);
        expect(matches('TM', `-${cut}`, time)).to.equal(true);
        expect(matches('TM', `${cut}-`, time)).to.equal(true);
        expect(matches('TM', cut, time)).to.equal(true);
      }),
    );
    expect(matches('TM', '-2230', '223100')).to.equal(false);
  });

  it('may have spaces around its hyphen', () => {
    expect(matches('DA', '20240101 - 20240131 ', '20240115')).to.equal(true);
  });
});

describe('A date or time', () => {
  const same: readonly (readonly ['DA' | 'TM' | 'DT', string, string])[] = [
    ['DA', '19980128', '1998.01.28'],
    ['DA', '1998.01.28', '19980128'],
    ['TM', '2230', '223000'],
    ['TM', '223000', '22:30:00'],
    ['TM', '223000', '2230'],
    ['TM', '235960', '235960'],
    ['DT', '19980128103000.0000', '19980128103000'],
    ['DT', '1998', '19980128103000'],
    ['DT', '199801', '19980131235959.999999'],
    ['DT', '19980128', '19980128103000'],
    ['DT', '19980128103000+0000', '19980128073000-0300'],
    ['DT', '19980128103000', '19980128103000-0300'],
    ['DT', '20231231-0500-20240101-0500', '20240102030000+0000'],
    ['DT', '20240101-0500-', '20240101050000+0000'],
    ['DT', '-20240101-0500', '20240102045959+0000'],
    // Not a range from 2024 back to the year 500.
    ['DT', '20240101-0500', '20240101120000-0500'],
    ['DT', '2023-2024', '20240601'],
  ];
  for (const [vr, key, value] of same)
    it(`of VR ${vr}, ${value}, is found by ${key}`, () => {
      expect(matches(vr, key, value)).to.equal(true);
    });

  const others: readonly (readonly ['DA' | 'TM' | 'DT', string, string])[] = [
    ['DT', '20231231-0500-20240101-0500', '20240102050000+0000'],
    ['DT', '20240101-0500-', '20240101045959+0000'],
    ['DT', '-20240101-0500', '20240102050000+0000'],
    ['TM', '2230', '223100'],
    ['DA', '20240101-20241231', 'unknown'],
    ['DA', '20240101-', '202401'],
  ];
  for (const [vr, key, value] of others)
    it(`of VR ${vr}, ${value}, is not found by ${key}`, () => {
      expect(matches(vr, key, value)).to.equal(false);
    });

  for (const [vr, key] of [
    ['DA', '2024'],
    ['DA', '20240231'],
    ['DA', '20241301'],
    ['DA', '202401*'],
    ['DA', '-'],
    ['DA', '20240101-2024'],
    ['DA', '2024-01-01'],
    ['TM', '25'],
    ['TM', '1'],
    ['TM', '1060'],
    ['TM', '10-11-12'],
    ['DT', '20240101-x'],
    ['DT', '2024+1500'],
  ] as const)
    it(`is not what ${key} is, as VR ${vr}`, () => {
      expect(dateTimeMatcher(vr, key)).to.equal(null);
    });
});

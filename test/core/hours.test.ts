import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidValueError } from '../../src/core/errors.js';
import { isOpen, nextChange, parseAllowedHours } from '../../src/core/hours.js';
import { DAY_NAMES, naivelyOpen, textOf, type Rule } from '../support/naive-hours.js';

const MINUTE = 60_000;
const CLOCK_CHANGES: readonly (readonly [string, string])[] = [
  ['Europe/London', '2026-03-25T00:00:00Z'],
  ['Europe/London', '2026-10-21T00:00:00Z'],
  ['America/New_York', '2026-03-04T00:00:00Z'],
  ['America/New_York', '2026-10-28T00:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-01T00:00:00Z'], // by half an hour
  ['Australia/Lord_Howe', '2026-09-30T00:00:00Z'],
  ['America/Santiago', '2026-09-02T00:00:00Z'], // at midnight
  ['Asia/Kathmandu', '2026-03-25T00:00:00Z'], // 5:45, never
];

const RULES: readonly (readonly Rule[])[] = [
  [{ days: DAY_NAMES.slice(0, 5), from: '20:00', to: '08:00' }],
  [
    { days: DAY_NAMES.slice(0, 5), from: '22:30', to: '01:30' },
    { days: ['Sat', 'Sun'], from: '00:00', to: '24:00' },
  ],
  [{ days: ['Sun'], from: '01:10', to: '02:20' }],
  [{ days: ['Sat', 'Sun'], from: '23:45', to: '00:15' }],
];

describe('allowed hours', () => {
  for (const [zone, begin] of CLOCK_CHANGES)
    it(`are kept minute by minute in a week of ${zone} with or without a change of its clocks (${begin.slice(0, 10)})`, () => {
      for (const rules of RULES) {
        const hours = parseAllowedHours(textOf(rules));
        const start = new Date(begin).getTime();
        let next = nextChange(hours, new Date(start), zone)!;
        for (let ms = start; ms < start + 7 * 24 * 60 * MINUTE; ms += MINUTE) {
          const at = new Date(ms);
          const open = isOpen(hours, at, zone);
          const text = `${hours.text} at ${at.toISOString()}`;
          expect(open, text).to.equal(naivelyOpen(rules, at, zone));
          if (ms === start) continue;
          const changed = open !== isOpen(hours, new Date(ms - MINUTE), zone);
          expect(next.getTime() === ms, `${text}, next change ${next.toISOString()}`).to.equal(changed);
          if (changed) next = nextChange(hours, at, zone)!;
        }
      }
    });

  it('leave out what the clocks leave out, and take what they show twice twice', () => {
    const hours = parseAllowedHours('Sun 01:00-02:00');
    const open = (text: string): boolean => isOpen(hours, new Date(text), 'Europe/London');
    // 01:00 GMT is 02:00 BST.
    expect([open('2026-03-29T00:59:59Z'), open('2026-03-29T01:00:00Z')]).to.deep.equal([false, false]);
    // 01:00 to 02:00 BST, then 01:00 to 02:00 GMT.
    expect(
      ['2026-10-24T23:59:59Z', '2026-10-25T00:00:00Z', '2026-10-25T01:59:59Z', '2026-10-25T02:00:00Z'].map(
        open,
      ),
    ).to.deep.equal([false, true, true, false]);
    const next = nextChange(hours, new Date('2026-03-28T12:00:00Z'), 'Europe/London');
    expect(next?.toISOString()).to.equal('2026-04-05T00:00:00.000Z');
  });

  it('count seconds', () => {
    const hours = parseAllowedHours('10:00-11:00');
    expect(isOpen(hours, new Date('2026-01-05T10:59:59.999Z'), 'UTC')).to.equal(true);
    expect(isOpen(hours, new Date('2026-01-05T11:00:00Z'), 'UTC')).to.equal(false);
    expect(nextChange(hours, new Date('2026-01-05T10:59:59.999Z'), 'UTC')?.toISOString()).to.equal(
      '2026-01-05T11:00:00.000Z',
    );
    expect(nextChange(hours, new Date('2026-01-05T11:00:00Z'), 'UTC')?.toISOString()).to.equal(
      '2026-01-06T10:00:00.000Z',
    );
  });

  it('never change when they are always, however that is written', () => {
    for (const text of [
      'always',
      'Always',
      '00:00-24:00',
      'Mon-Sun 00:00-12:00, 12:00-00:00',
      'Mon 10:00-11:00, always',
    ]) {
      const hours = parseAllowedHours(text);
      expect(isOpen(hours, new Date(), 'Europe/London'), text).to.equal(true);
      expect(nextChange(hours, new Date(), 'Europe/London'), text).to.equal(null);
    }
  });

  it('may go round the end of the week', () => {
    const hours = parseAllowedHours('Sat-Mon 22:00-06:00');
    const open = (text: string): boolean => isOpen(hours, new Date(text), 'UTC');
    expect(
      ['2026-01-05T05:59:00Z', '2026-01-05T06:00:00Z', '2026-01-06T05:00:00Z', '2026-01-06T23:00:00Z'].map(
        open,
      ),
    ).to.deep.equal([true, false, true, false]);
  });

  it('name what is wrong with them', () => {
    const wrong: Readonly<Record<string, RegExp>> = {
      '': /empty/,
      'Mon-Fri': /days without hours/,
      'Mon, 10:00-11:00': /days without hours before "10:00-11:00"/,
      'Mon, always': /before "always"/,
      'Mo 10:00-11:00': /"Mo" is not a day/,
      'Mon-Wed-Fri 10:00-11:00': /"Mon-Wed-Fri"/,
      'Mon 10-11': /"10-11" is not hours/,
      'Mon 25:00-26:00': /"25:00" is not a time/,
      'Mon 10:60-11:00': /"10:60" is not a time/,
      'Mon 24:00-08:00': /begin at 24:00/,
      'Mon 10:00-10:00': /same time/,
      'Mon 10:00-11:00 12:00-13:00': /more than days and hours/,
      'Mon 10:00-11:00,,': /empty/,
    };
    for (const [text, problem] of Object.entries(wrong))
      expect(() => parseAllowedHours(text), text)
        .to.throw(InvalidValueError)
        .with.property('message')
        .that.matches(problem);
  });

  it('throw nothing else, whatever the text', () => {
    const pieces = fc.constantFrom(
      'Mon',
      'Sun',
      '-',
      ',',
      ' ',
      '20:00',
      '24:00',
      '08:60',
      'always',
      '0',
      ':',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((list) => list.join('')),
        ),
        (text) => {
          try {
            parseAllowedHours(text);
          } catch (error) {
            expect(error).to.be.instanceOf(InvalidValueError);
          }
        },
      ),
    );
  });

  it('agree with the naive check for any hours, zone and moment, and change at the very next change', () => {
    const clock = fc
      .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
    const rule = fc
      .record({ days: fc.subarray(DAY_NAMES, { minLength: 1 }), from: clock, to: clock })
      .filter(({ from, to }) => from !== to);
    const zones = ['Europe/London', 'America/St_Johns', 'Australia/Lord_Howe', 'Africa/Casablanca', 'UTC'];
    const moment = fc.date({ min: new Date('2025-01-01'), max: new Date('2028-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 3 }),
        moment,
        fc.constantFrom(...zones),
        (rules, at, zone) => {
          const hours = parseAllowedHours(textOf(rules));
          const open = isOpen(hours, at, zone);
          expect(open).to.equal(naivelyOpen(rules, at, zone));
          const next = nextChange(hours, at, zone);
          if (next === null) return;
          expect(next.getTime()).to.be.greaterThan(at.getTime());
          expect(naivelyOpen(rules, next, zone)).to.equal(!open);
          expect(naivelyOpen(rules, new Date(next.getTime() - 1), zone)).to.equal(open);
        },
      ),
      { numRuns: 300 },
    );
  });
});

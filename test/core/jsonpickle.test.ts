import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidValueError } from '../../src/core/errors.js';
import { PickledDates } from '../../src/core/jsonpickle.js';
import { formatDate, timestampOf } from '../../src/core/timestamp.js';

interface Written {
  readonly date: unknown;
  readonly date_text: string;
  readonly datetime: unknown;
  readonly datetime_text: string;
}
/** Dates that Python 3.11 with jsonpickle 4.1.2 wrote, beside their isoformat(). */
const written = JSON.parse(readFileSync('fixtures/python-dates.json', 'utf8')) as Written[];

const read = (node: unknown, document: unknown = node): ReturnType<PickledDates['read']> =>
  new PickledDates(document).read('field', node);
const textOf = (node: unknown, document: unknown = node): string | undefined => {
  const found = read(node, document);
  return found.type === 'date' ? formatDate(found.value) : timestampOf(found.value)?.text;
};

const timedelta = (...parts: unknown[]): object => ({
  'py/reduce': [{ 'py/type': 'datetime.timedelta' }, { 'py/tuple': parts }],
});
const timezone = (delta: unknown): object => ({
  'py/reduce': [{ 'py/type': 'datetime.timezone' }, { 'py/tuple': [delta] }],
});
const dateTime = (state: unknown, ...zone: unknown[]): object => ({
  'py/object': 'datetime.datetime',
  __reduce__: [{ 'py/type': 'datetime.datetime' }, [state, ...zone]],
});
const NOON = Buffer.from([0x07, 0xe5, 7, 1, 12, 0, 0, 0, 0, 0]).toString('base64');

describe('A date that jsonpickle wrote', () => {
  it('means what Python meant, over all years and offsets', () => {
    for (const { date, date_text, datetime, datetime_text } of written) {
      expect(textOf(date)).to.equal(date_text);
      expect(textOf(datetime)).to.equal(datetime_text);
    }
  });

  it('is read from its bytes whatever the day', () => {
    const day = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(day, fc.boolean(), (moment, fold) => {
        const [year, month, date] = [moment.getUTCFullYear(), moment.getUTCMonth() + 1, moment.getUTCDate()];
        const bytes = Buffer.from([
          year >> 8,
          year & 0xff,
          month | (fold ? 0x80 : 0),
          date,
          1,
          2,
          3,
          0,
          0,
          4,
        ]);
        expect(textOf(dateTime(bytes.toString('base64')))).to.equal(
          `${moment.toISOString().slice(0, 10)}T01:02:03.000004`,
        );
      }),
    );
  });

  it('may be spelt as older versions did', () => {
    const type = { 'py/type': 'datetime.date' };
    expect(textOf({ 'py/object': 'datetime.date', __reduce__: [type, ['B+UHAQ==\n']] })).to.equal(
      '2021-07-01',
    );
    expect(textOf({ 'py/reduce': [type, { 'py/tuple': ['B+UHAQ=='] }, null, null, null] })).to.equal(
      '2021-07-01',
    );
    expect(textOf({ 'py/reduce': [type, { 'py/tuple': [{ 'py/b64': 'B+UHAQ==' }] }] })).to.equal(
      '2021-07-01',
    );
    expect(textOf(dateTime(NOON, null))).to.equal('2021-07-01T12:00:00');
  });

  it('may refer to a time zone that the document had before', () => {
    const first = dateTime(NOON, timezone(timedelta(0, 3600, 0)));
    const second = dateTime(NOON, { 'py/id': 2 });
    const document = { 'py/object': 'Message', first, second, third: { 'py/id': 1 } };
    expect(textOf(second, document)).to.equal('2021-07-01T12:00:00+01:00');
    expect(textOf(document.third, document)).to.equal('2021-07-01T12:00:00+01:00');
  });

  it('may have the UTC of dateutil', () => {
    const tzutc = {
      'py/reduce': [
        { 'py/function': 'copyreg._reconstructor' },
        { 'py/tuple': [{ 'py/type': 'dateutil.tz.tz.tzutc' }] },
      ],
    };
    expect(textOf(dateTime(NOON, tzutc))).to.equal('2021-07-01T12:00:00+00:00');
  });

  it('is no date when the calendar has no such day', () => {
    expect(textOf(dateTime(Buffer.from([0x07, 0xe5, 2, 30, 0, 0, 0, 0, 0, 0]).toString('base64')))).to.equal(
      undefined,
    );
    expect(textOf(dateTime(Buffer.from([0x07, 0xe5, 2, 3, 24, 0, 0, 0, 0, 0]).toString('base64')))).to.equal(
      undefined,
    );
    expect(textOf(dateTime(NOON, timezone(timedelta(-1, 0, 0))))).to.equal(undefined);
  });

  const circle = { 'py/object': 'x', a: { 'py/object': 'y', 'py/id': 1 } };
  const refused: [string, unknown, string][] = [
    ['another type', { 'py/reduce': [{ 'py/type': 'os.system' }, { 'py/tuple': ['bHM='] }] }, 'not a date'],
    [
      'two types at odds',
      { 'py/object': 'datetime.date', __reduce__: [{ 'py/type': 'os.system' }, ['']] },
      'another type',
    ],
    ['no reduced form', { 'py/object': 'datetime.date' }, 'reduced form'],
    ['no arguments', { 'py/reduce': [{ 'py/type': 'datetime.date' }] }, 'without arguments'],
    ['more state', { 'py/reduce': [{ 'py/type': 'datetime.date' }, ['B+UHAQ=='], { a: 1 }] }, 'more state'],
    ['a state that is not base64', dateTime('!!'), 'not base64'],
    ['a state of the wrong length', dateTime('B+UHAQ=='), 'not the state'],
    ['a state that is a number', dateTime(5), 'without its state'],
    [
      'a zone that needs a database',
      dateTime(NOON, { 'py/reduce': [{ 'py/function': 'zoneinfo.ZoneInfo._unpickle' }, []] }),
      'fixed offset',
    ],
    ['an offset that is not whole', dateTime(NOON, timezone(timedelta(0, 0.5, 0))), 'not the offset'],
    ['an offset of a year', dateTime(NOON, timezone(timedelta(365, 0, 0))), 'not the offset'],
    ['a reference to nothing', { 'py/id': 7 }, 'leads nowhere'],
    ['a string', 'x', 'not a Python object'],
  ];
  for (const [what, node, problem] of refused)
    it(`is refused with ${what}`, () => {
      expect(() => read(node)).to.throw(InvalidValueError, problem);
    });

  it('is found in a document with longer lists than a call takes arguments', () => {
    const type = { 'py/type': 'datetime.date' };
    const first = { 'py/object': 'datetime.date', __reduce__: [type, ['B+UHAQ==']] };
    const document = { list: new Array(500_000).fill(0), first, second: { 'py/id': 1 } };
    expect(() => read(document.second, document)).to.throw(InvalidValueError, 'leads nowhere');
    expect(textOf(document.second, { 'py/object': 'Message', ...document })).to.equal('2021-07-01');
  });

  it('is refused when its references lead in a circle', () => {
    expect(() => read(circle.a, circle)).to.throw(InvalidValueError, 'in a circle');
  });
});

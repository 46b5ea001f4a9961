import { expect } from 'chai';
import { InvalidValueError } from '../../src/core/errors.js';
import {
  accessionNumber,
  aeTitle,
  isUid,
  patientId,
  seriesInstanceUid,
  sopInstanceUid,
  studyInstanceUid,
} from '../../src/core/ids.js';

describe('A UID', () => {
  it('is digits in components joined by dots, at most 64 characters', () => {
    for (const text of ['1.2', '1.2.840.10008.1.1', '2.25.0', `1.${'2'.repeat(62)}`])
      expect(isUid(text)).to.equal(true);
    for (const text of [
      '',
      '1',
      '1.',
      '.1',
      '1..2',
      '1.2a',
      '1.2 ',
      '1.2\0',
      '1.2\n',
      '1.*',
      '1.2\\1.3',
      `1.${'2'.repeat(63)}`,
    ])
      expect(isUid(text), JSON.stringify(text)).to.equal(false);
  });

  it('may have leading zeros, which real archives have too', () => {
    expect(isUid('1.02.003')).to.equal(true);
  });

  it('is refused by the name of its attribute, and is not quoted', () => {
    for (const [parse, field] of [
      [studyInstanceUid, 'StudyInstanceUID'],
      [seriesInstanceUid, 'SeriesInstanceUID'],
      [sopInstanceUid, 'SOPInstanceUID'],
    ] as const) {
      expect(parse('1.2.3')).to.equal('1.2.3');
      expect(() => parse('SECRET'))
        .to.throw(InvalidValueError, `${field}: not a UID`)
        .with.property('field', field);
      expect(() => parse('SECRET')).not.to.throw(/SECRET/);
    }
  });
});

describe('A query key', () => {
  for (const [name, parse] of [
    ['PatientID', patientId],
    ['AccessionNumber', accessionNumber],
  ] as const) {
    it(`${name} loses the blanks around it, and only those`, () => {
      expect(parse('  ÀÉ 12 ')).to.equal('ÀÉ 12');
    });

    it(`${name} can't become a wild card, a list, or nothing`, () => {
      for (const text of ['', ' ', '1*', '?', '1\\2', '1\0', '1\n', '\u001b', '1\u0085', '1'.repeat(65)])
        expect(() => parse(text), JSON.stringify(text))
          .to.throw(InvalidValueError)
          .with.property('field', name);
    });
  }
});

describe('An AE title', () => {
  it('is 1 to 16 printable ASCII characters without backslash, blanks around it aside', () => {
    expect(aeTitle(' VNA QR ')).to.equal('VNA QR');
    for (const text of ['', '   ', 'A'.repeat(17), 'A\\B', 'Ä', 'A\tB'])
      expect(() => aeTitle(text), JSON.stringify(text)).to.throw(InvalidValueError);
  });
});

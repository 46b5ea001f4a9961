import { expect } from 'chai';
import { InvalidValueError } from '../../src/core/errors.js';
import {
  accessionNumber,
  aeTitle,
  canBePassedOn,
  fileNameOf,
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

  it('that PS3.5 9.1 forbids is a name all the same, which is compared and passed on as it came', () => {
    for (const text of [
      '1.02.003',
      'LOCALIZER1.2.3',
      '1.2.826.0.1.3680043.8.498.9.3a7F',
      '1..2',
      '1.2.3.',
      '87654321',
      'ialsodontexist',
      `1.${'2'.repeat(126)}`,
      '../../etc',
    ])
      expect(sopInstanceUid(text)).to.equal(text);
  });

  it('that would become another question, or has no known encoding, can not be passed on', () => {
    for (const text of [
      '',
      ' ',
      '1.*',
      '1.?',
      '1.2\\1.3',
      '1.2\n3',
      '1.2\u001b',
      '1.2é',
      `1.${'2'.repeat(127)}`,
    ])
      expect(canBePassedOn(text), JSON.stringify(text)).to.equal(false);
  });

  it('names a file that lies where it is put, and two UIDs never name the same', () => {
    expect(fileNameOf('1.2.3')).to.equal('1.2.3');
    const odd = ['..', '.', '../../etc/passwd', 'a/b', 'a b', '.hidden', 'x'.repeat(128) + 'y'];
    for (const uid of odd) expect(fileNameOf(uid), uid).to.match(/^uid-[0-9a-f]{64}$/);
    expect(new Set(odd.map(fileNameOf)).size).to.equal(odd.length);
  });

  it('is refused by the name of its attribute, and is not quoted', () => {
    for (const [parse, field] of [
      [studyInstanceUid, 'StudyInstanceUID'],
      [seriesInstanceUid, 'SeriesInstanceUID'],
      [sopInstanceUid, 'SOPInstanceUID'],
    ] as const) {
      expect(parse('1.2.3')).to.equal('1.2.3');
      expect(() => parse('SECRET*'))
        .to.throw(InvalidValueError, `${field}: not a UID`)
        .with.property('field', field);
      expect(() => parse('SECRET*')).not.to.throw(/SECRET/);
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

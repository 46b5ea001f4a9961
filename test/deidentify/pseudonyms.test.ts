import { expect } from 'chai';
import { InvalidValueError } from '../../src/core/errors.js';
import type { Identity } from '../../src/deidentify/identity.js';
import { keyCheckValue } from '../../src/deidentify/key-check.js';
import { PixlHasher } from '../../src/deidentify/pixl/hasher.js';
import { ProjectPseudonyms } from '../../src/deidentify/pseudonyms.js';

const SECRET = Buffer.from('0123456789abcdef0123456789abcdef');
const of = (facts: Partial<Identity>): Identity => ({
  patientId: '',
  accessionNumber: '',
  studyInstanceUid: '1.2.3',
  seriesInstanceUid: '1.2.3.4',
  sopInstanceUid: '1.2.3.4.5',
  sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
  modality: 'CT',
  manufacturer: '',
  project: '',
  names: [],
  numbers: [],
  birthDates: [],
  ...facts,
});

describe('Pseudonyms', () => {
  const one = new ProjectPseudonyms(SECRET, 'one', 365);

  it('are the same whenever and wherever they are made with one secret', () => {
    // Worked out by Python's hmac and hashlib from RFC 5869 and RFC 2104, not by this code.
    expect(one.uid('1.2.3')).to.equal('2.25.303572370969904058197422563916740879503');
    expect(one.of(of({ patientId: 'M1', accessionNumber: 'A1' })).uid('1.2.3')).to.equal(
      '2.25.336174474147244548773754349753577328498',
    );
  });

  it('are UIDs of the root for UUIDs, of 64 characters at most, without leading zeros (PS3.5 B.2)', () => {
    for (let number = 0; number < 500; number += 1)
      expect(one.uid(`1.2.3.${number}`)).to.match(/^2\.25\.(0|[1-9]\d{0,38})$/);
  });

  it('leave UIDs of the standard as they are', () => {
    expect(one.uid('1.2.840.10008.1.2.1')).to.equal('1.2.840.10008.1.2.1');
    expect(one.uid('1.2.840.100081.1')).to.match(/^2\.25\./);
  });

  it('differ from project to project and from secret to secret', () => {
    const other = new ProjectPseudonyms(SECRET, 'two', 365);
    const keyed = new ProjectPseudonyms(Buffer.alloc(32, 9), 'one', 365);
    expect(new Set([one, other, keyed].map((each) => each.uid('1.2.3'))).size).to.equal(3);
    expect(keyCheckValue(Buffer.alloc(32, 9))).not.to.equal(keyCheckValue(SECRET));
  });

  it('make one study of those that share MRN and accession number', () => {
    const first = one.of(of({ patientId: 'M1', accessionNumber: 'A1', studyInstanceUid: '1.1' }));
    const second = one.of(of({ patientId: 'M1', accessionNumber: 'A1', studyInstanceUid: '1.2' }));
    const third = one.of(of({ patientId: 'M1', accessionNumber: 'A2', studyInstanceUid: '1.3' }));
    expect(first.uid('1.1')).to.equal(second.uid('1.2'));
    expect(third.uid('1.3')).not.to.equal(first.uid('1.1'));
    expect(first.uid('1.1.7')).to.equal(second.uid('1.1.7'));
  });

  it('keep studies without an accession number apart', () => {
    const first = one.of(of({ patientId: 'M1', studyInstanceUid: '1.1' }));
    const second = one.of(of({ patientId: 'M1', studyInstanceUid: '1.2' }));
    expect(first.uid('1.1')).not.to.equal(second.uid('1.2'));
    expect(first.patientId).to.equal(second.patientId);
  });

  it('do not mix up where one value ends and the next begins', () => {
    const first = one.of(of({ patientId: '12', accessionNumber: '3', studyInstanceUid: '1.1' }));
    const second = one.of(of({ patientId: '1', accessionNumber: '23', studyInstanceUid: '1.1' }));
    expect(first.uid('1.1')).not.to.equal(second.uid('1.1'));
  });

  it('shift the dates of one patient alike, by 1 to so many days', () => {
    const shifts = new Set<number>();
    for (let number = 0; number < 400; number += 1) {
      const { shiftDays } = new ProjectPseudonyms(SECRET, 'one', 30).of(of({ patientId: `M${number}` }));
      expect(shiftDays).to.be.within(1, 30);
      shifts.add(shiftDays);
    }
    expect(shifts.size).to.equal(30);
    expect(one.of(of({ patientId: 'M1' })).shiftDays).to.equal(
      one.of(of({ patientId: 'M1', studyInstanceUid: '9' })).shiftDays,
    );
  });

  it("of PIXL's hasher are those that it makes itself", () => {
    // The first is PIXL's own; the others are of Python's hashlib.blake2b.
    const inputs = { key: Buffer.from('test-key'), projectSalt: 'a161577b49a9235a', localSalt: 'pixl_salt' };
    const hasher = new PixlHasher(inputs);
    const unsalted = new PixlHasher({ ...inputs, projectSalt: '', localSalt: '' });
    const rows: readonly (readonly [made: string, want: string])[] = [
      [hasher.hash('test', 64), 'cc8ab6f3e63235b45f3d00cbc4873efac59bf15cec4bdffd461882d57dfc010f'],
      [hasher.hash('test', 16), 'b721eef65328a79c'],
      [hasher.hash('x'.repeat(300)), 'edaa44d0ee9ea8b9d53d3d22dee54f5e50c3997d42f8f5d65ea31e6bfeb0cbbc'],
      [unsalted.hash('Zoë 李'), 'c708eec1ca2abcf7b53f2254b84df510f14cd258485bced4acc58bbc61e1ffc0'],
    ];
    for (const [made, want] of rows) expect(made).to.equal(want);
    const pseudonym = new ProjectPseudonyms(SECRET, 'one', 365, hasher).of(of({ patientId: 'MRN7654321' }));
    expect(pseudonym.patientId).to.equal('4f6b939d97a5c6555d775fce3b73386d3c77970bf0df5f24a359f3005d89b006');
    expect(pseudonym.hash('test', 16)).to.equal('b721eef65328a79c');
    expect(pseudonym.uid('1.2.3')).to.equal(one.uid('1.2.3'));
  });

  it("want a key that PIXL's hasher could have", () => {
    for (const length of [0, 65])
      expect(() => new PixlHasher({ key: Buffer.alloc(length), projectSalt: '', localSalt: '' })).to.throw(
        InvalidValueError,
      );
  });

  it('want a secret that nobody can guess', () => {
    expect(() => new ProjectPseudonyms(Buffer.alloc(31), 'one', 365)).to.throw(InvalidValueError);
  });
});

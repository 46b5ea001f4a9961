import { expect } from 'chai';
import type { Identity } from '../../src/deidentify/identity.js';
import { ResidualCheck } from '../../src/deidentify/residual.js';

const identity: Identity = {
  patientId: 'AB-12 34567',
  accessionNumber: 'ACC99001',
  studyInstanceUid: '1.2.826.0.1.3680043.9999.77',
  seriesInstanceUid: '1.2.826.0.1.3680043.9999.78',
  sopInstanceUid: '1.2.826.0.1.3680043.9999.79',
  sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
  modality: 'CT',
  manufacturer: 'ACME',
  project: '',
  names: ['Müller-Lüdenscheidt^Zoë^T=李^小龍'],
  numbers: ['AB-12 34567', 'ACC99001', '077'],
  birthDates: ['19481231'],
};
const check = new ResidualCheck(identity);

describe('The residual check', () => {
  const replaced: readonly (readonly [text: string, want: string])[] = [
    ['of AB1234567', 'of ***'],
    ['of ab 12-34567.', 'of ***.'],
    ['xACC99001x', 'x***x'],
    ['seen by MULLER LUDENSCHEIDT today', 'seen by *** today'],
    ['Müller–Lüdenscheidt^Zoe', '***^***'],
    ['born 1948-12-31', 'born ***'],
    ['study 1.2.826.0.1.3680043.9999.77', 'study ***'],
    ['bed 077 now', 'bed *** now'],
    ['李小龍', '李***'],
    ['ZOË zoe ACC99001', '*** *** ***'],
    ['Mu\u0308ller-Lu\u0308denscheidt', '***'],
  ];
  for (const [text, want] of replaced)
    it(`finds a value in "${text}" and leaves the rest`, () => {
      expect(check.replaced(text)).to.equal(want);
    });

  for (const text of ['HEAD W/O CONTRAST', 'series 0771', 'T1 AX', 'Zoetrope'.slice(0, 2), 'ACC 9900', ''])
    it(`leaves "${text}" alone`, () => {
      expect(check.replaced(text)).to.equal(null);
      expect(check.findsInCode(text)).to.equal(false);
    });

  it('takes short values as whole words alone, longer ones inside of words too', () => {
    expect(check.findsInCode('107712')).to.equal(false);
    expect(check.findsInCode('xxACC99001yy')).to.equal(true);
  });

  it('does not take somebody with a short name, or a title, for every code of a few letters', () => {
    const short = new ResidualCheck({ ...identity, names: ['Ob^S R^^Mr^MD'] });
    for (const code of ['OB', 'SR', 'MR', 'MD']) expect(short.findsInCode(code), code).to.equal(false);
    expect(short.replaced('seen by Mr. Ob, MD')).to.equal('seen by Mr. ***, MD');
    expect(short.findsInCode('077'), 'a number of three digits').to.equal(true);
  });

  it('tells a number that is one of the values from one that holds it', () => {
    expect(check.equals('ACC99001')).to.equal(true);
    expect(check.equals('99001')).to.equal(false);
    expect(check.equals('077')).to.equal(false);
  });
});

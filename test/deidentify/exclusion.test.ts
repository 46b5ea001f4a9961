import { expect } from 'chai';
import { deidentify } from '../../src/deidentify/deidentification.js';
import { InstanceExcludedError } from '../../src/deidentify/errors.js';
import type { InstanceRules } from '../../src/deidentify/exclusion.js';
import { basicProfile } from '../../src/deidentify/ps3.15/basic-profile.js';
import {
  BIG_ENDIAN,
  element,
  encode,
  EXPLICIT,
  IMPLICIT,
  streamOf,
  type Element,
} from '../dimse/data-set/elements.js';
import { made, PATIENT, pseudonyms, sequence, uint32, ultrasoundRegion } from './made.js';

const STORAGE = '1.2.840.10008.5.1.4.1.1';
const sopClass = (last: string): Element => element(0x00080016, 'UI', `${STORAGE}.${last}`);
const regions = (...corners: [number, number, number, number][]): Element =>
  sequence(0x00186011, corners.map((each) => ultrasoundRegion(...each))); // prettier-ignore

/** The rule that leaves the instance out, before a byte of it is given out; null when it is taken. */
async function ruleOf(
  extra: readonly Element[],
  rules?: InstanceRules,
  syntax = EXPLICIT,
): Promise<string | null> {
  const deidentifier = {
    profileFor: () => basicProfile(),
    pseudonymOf: pseudonyms.of.bind(pseudonyms),
    ...(rules === undefined ? {} : { rulesFor: () => rules }),
  };
  try {
    const { dataSet } = await deidentify(streamOf([encode(made(extra), syntax)]), syntax.uid, deidentifier);
    for await (const piece of dataSet) if (piece.length === 0) break;
    return null;
  } catch (error) {
    expect(error).to.be.instanceOf(InstanceExcludedError);
    expect((error as InstanceExcludedError).message).not.to.include(PATIENT.mrn);
    return (error as InstanceExcludedError).rule;
  }
}

const burned = (value: string): Element => element(0x00280301, 'CS', value);
const imageType = (value: string): Element => element(0x00080008, 'CS', value);

/** What an instance says of itself, and the rule that leaves it out. */
const ROWS: readonly (readonly [what: string, extra: Element[], rule: string | null])[] = [
  ['a plain image', [], null],
  ['Burned In Annotation YES', [burned('YES')], 'burned-in-annotation'],
  ['Burned In Annotation in small letters', [burned('yes')], 'burned-in-annotation'],
  ['Burned In Annotation NO', [burned('NO')], null],
  ['a screen', [imageType('DERIVED\\SECONDARY\\SCREEN SAVE')], 'screen-save'],
  ['a screen, in another spelling', [imageType('DERIVED\\SECONDARY\\OTHER\\Screen_Save')], 'screen-save'],
  ['an original', [imageType('ORIGINAL\\PRIMARY\\AXIAL')], null],
  ...['7', '7.1', '7.2', '7.3', '7.4'].map(
    (last): [string, Element[], string] => [`secondary capture ${last}`, [sopClass(last)], 'secondary-capture'],
  ),
  ...['104.1', '104.2', '104.3'].map(
    (last): [string, Element[], string] => [`document ${last}`, [sopClass(last)], 'encapsulated-document'],
  ),
  ...['88.11', '88.33', '88.59', '88.67'].map(
    (last): [string, Element[], string] => [`report ${last}`, [sopClass(last)], 'structured-report'],
  ),
  ...['11.1', '11.4'].map(
    (last): [string, Element[], string] => [`presentation state ${last}`, [sopClass(last)], 'presentation-state'],
  ),
  ['ultrasound', [sopClass('6.1')], 'ultrasound-without-regions'],
  ['ultrasound, multi-frame', [sopClass('3.1')], 'ultrasound-without-regions'],
  ['ultrasound, retired', [sopClass('6')], 'ultrasound-without-regions'],
  ['ultrasound with an empty list of regions', [sopClass('6.1'), regions()], 'ultrasound-without-regions'],
  ['ultrasound with a region of no pixel', [sopClass('6.1'), regions([9, 9, 8, 8])], 'ultrasound-without-regions'],
  ['ultrasound with half a region', [sopClass('6.1'), sequence(0x00186011, [[uint32(0x00186018, 1)]])], 'ultrasound-without-regions'],
  ['CT, whose class begins like those of others', [sopClass('2')], null],
  ['an enhanced ultrasound volume', [sopClass('6.2')], null],
  ["the patient's number in a code", [element(0x00180015, 'CS', PATIENT.mrn)], 'residual-identifier'],
]; // prettier-ignore

describe('What is left out', () => {
  for (const [what, extra, rule] of ROWS)
    it(`${what}: ${rule ?? 'taken'}`, async () => {
      expect(await ruleOf(extra)).to.equal(rule);
      expect((rule ?? '').length).to.be.at.most(50);
    });

  it('is told in every encoding', async () => {
    for (const syntax of [EXPLICIT, IMPLICIT, BIG_ENDIAN])
      expect(await ruleOf([sopClass('6.1'), regions([9, 9, 8, 8])], undefined, syntax), syntax.uid).to.equal(
        'ultrasound-without-regions',
      );
  });

  it('is taken where a project allows its class, and no other class', async () => {
    const rules = { allowedSopClasses: new Set([`${STORAGE}.88.67`]) };
    expect(await ruleOf([sopClass('88.67')], rules)).to.equal(null);
    expect(await ruleOf([sopClass('88.33')], rules)).to.equal('structured-report');
    expect(await ruleOf([sopClass('88.67'), burned('YES')], rules)).to.equal('burned-in-annotation');
  });

  it("is what the project's own rule says", async () => {
    const rules: InstanceRules = {
      excludedBy: ({ seriesNumber, seriesDescription, modality }) =>
        seriesNumber === '8000' && modality === 'CT' && seriesDescription === 'Scout'
          ? 'series-number'
          : null,
    };
    const scout = [element(0x0008103e, 'LO', 'Scout'), element(0x00200011, 'IS', '8000')];
    expect(await ruleOf(scout, rules)).to.equal('series-number');
    expect(await ruleOf(scout.slice(1), rules)).to.equal(null);
  });
});

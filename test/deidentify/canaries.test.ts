import dcmjs from 'dcmjs';
import { expect } from 'chai';
import { deidentify } from '../../src/deidentify/deidentification.js';
import { basicProfile } from '../../src/deidentify/ps3.15/basic-profile.js';
import { OPTIONS, type ProfileOption } from '../../src/deidentify/ps3.15/options.js';
import { decodeText } from '../../src/dimse/data-set/decode-text.js';
import {
  element,
  encode,
  EXPLICIT,
  IMPLICIT,
  streamOf,
  type Element,
  type Syntax,
} from '../dimse/data-set/elements.js';
import { TEXT_EXAMPLES } from '../dimse/data-set/text-examples.js';
import {
  CANARIES,
  found,
  made,
  NEUTRAL_SEQUENCE,
  PATIENT,
  pseudonyms,
  sequence,
  ultrasoundRegion,
} from './made.js';

/** Classes of all kinds; those that are left out by themselves are allowed here. */
const SOP_CLASSES = [
  '1', '1.1', '1.2', '2', '2.1', '3.1', '4', '4.1', '4.2', '6.1', '6.2', '7', '7.4', '9.1.1', '11.1', '12.1', '12.2', '20', '66.4', '77.1.4',
  '88.33', '88.59', '104.1', '128', '481.2', '481.3', '481.5',
].map((last) => `1.2.840.10008.5.1.4.1.1.${last}`); // prettier-ignore

const OWN_ROOT = '1.2.826.0.1.3680043.9999';
/** All that can be looked for and replaced. */
const WORDS = `${PATIENT.mrn} ${PATIENT.family}^${PATIENT.given} ${PATIENT.accession}`;

/** What stands in an attribute of this VR; undefined for codes and numbers, for which an instance would be left out. */
const VALUES: Readonly<Record<string, string>> = {
  ...Object.fromEntries('LO LT PN SH ST UC UR UT'.split(' ').map((vr) => [vr, WORDS])),
  UI: `${OWN_ROOT}.4711`,
  DA: PATIENT.birthDate,
  DT: `${PATIENT.birthDate}101112`,
  UN: WORDS,
};

interface Attribute {
  readonly tag: number;
  readonly vr: string;
}

const ATTRIBUTES: readonly Attribute[] = Object.values(dcmjs.data.DicomMetaDictionary.nameMap)
  .map(({ tag, vr }) => ({ tag: Number.parseInt(tag.replace(/[(),]/g, ''), 16), vr }))
  .filter(({ tag }) => tag >>> 16 >= 8 && tag >>> 16 < 0x5000);

/** What says who and what an instance is; characters are in none. */
const HEAD = new Set([
  0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x0020000d, 0x0020000e, 0x00280301, 0x00080050, 0x00100010, 0x00100020, 0x00100030,
]); // prettier-ignore
/** UIDs of classes, which are kept: an own UID in them would be one of a private class. */
const CLASSES = new Set([0x0008001a, 0x0008001b, 0x00081150, 0x0008115a, 0x00083002]);

function everyAttribute(): Element[] {
  return ATTRIBUTES.filter(({ tag }) => !HEAD.has(tag) && !CLASSES.has(tag)).flatMap(({ tag, vr }) => {
    const value = VALUES[vr];
    return value === undefined ? [] : [element(tag, vr, value)];
  });
}

/** Places in which nobody looks for a name. */
function everywhereElse(): Element[] {
  const bytes = Buffer.from(WORDS);
  return [
    element(0x00090010, 'LO', WORDS),
    element(0x00091001, 'LO', WORDS),
    element(0x00091002, 'UN', bytes),
    sequence(0x00091003, [[element(0x00100010, 'PN', WORDS)]]),
    element(0x00187ffe, 'UN', bytes),
    element(0x00420011, 'OB', bytes),
    element(0x50003000, 'OW', bytes),
    element(0x60003000, 'OW', bytes),
    element(0x60004000, 'LT', WORDS),
    element(0xfffcfffc, 'OB', bytes),
  ];
}

function instanceOf(sopClass: string): Element[] {
  const all = [...everyAttribute(), ...everywhereElse()];
  const inItems = all.filter(({ tag }) => tag !== NEUTRAL_SEQUENCE).sort((one, other) => one.tag - other.tag);
  return made([
    ...all,
    sequence(NEUTRAL_SEQUENCE, [[sequence(NEUTRAL_SEQUENCE, [inItems])], inItems]),
    element(0x00080016, 'UI', sopClass),
    sequence(0x00186011, [ultrasoundRegion(0, 0, 9, 9)]),
    element(0x00280301, 'CS', 'NO'),
  ]);
}

const ALL_OPTIONS = (Object.keys(OPTIONS) as ProfileOption[]).filter(
  (option) => !['retain-longitudinal-full-dates', 'retain-uids', 'retain-safe-private'].includes(option),
);
const PROFILES = [
  ['without options', basicProfile()],
  ['with the options that keep most', basicProfile({ options: ALL_OPTIONS })],
] as const;

async function deidentified(input: Buffer, syntax: Syntax, profile = PROFILES[1][1]): Promise<Buffer> {
  const { dataSet } = await deidentify(streamOf([input]), syntax.uid, {
    profileFor: () => profile,
    pseudonymOf: (identity) => pseudonyms.of(identity),
    rulesFor: () => ({ allowedSopClasses: new Set(SOP_CLASSES) }),
  });
  const parts: Buffer[] = [];
  for await (const part of dataSet) parts.push(part);
  return Buffer.concat(parts);
}

describe('Canaries', () => {
  it('are in as many places as there are', () => {
    expect(everyAttribute().length).to.be.greaterThan(900);
    expect(SOP_CLASSES.length).to.be.at.least(20);
  });

  for (const [what, profile] of PROFILES)
    it(`in every text, name, UID, date and private element of every class of object come out nowhere, ${what}`, async function () {
      this.timeout(60_000);
      for (const sopClass of SOP_CLASSES)
        for (const syntax of [EXPLICIT, IMPLICIT]) {
          const out = await deidentified(encode(instanceOf(sopClass), syntax), syntax, profile);
          const text = out.toString('latin1').toLowerCase();
          // An option keeps the UIDs of devices, by name.
          const all = profile === PROFILES[0][1] ? [...CANARIES, OWN_ROOT] : CANARIES;
          for (const canary of all)
            expect(text.indexOf(canary.toLowerCase()), `${sopClass} ${canary}`).to.equal(-1);
        }
    });

  // A single letter is no name: nobody could tell it from others.
  for (const [what, set, bytes, name] of TEXT_EXAMPLES.filter((each) => each[3].length > 1))
    it(`in other letters come out nowhere: ${what}`, async () => {
      const texts = [0x00081030, 0x0008103e, 0x00104000, 0x00204000, 0x00321060];
      const inText = Buffer.concat([Buffer.from('of '), bytes, Buffer.from(' today')]);
      const input = made([
        element(0x00080005, 'CS', set),
        element(0x00100010, 'PN', bytes),
        ...texts.map((tag) => element(tag, tag === 0x00081030 ? 'LO' : 'LT', inText)),
      ]);
      const out = await deidentified(encode(input, EXPLICIT), EXPLICIT);
      const parts = decodeText(bytes, 'PN', set).split(/[\^=]/);
      expect(parts.join('').length).to.be.greaterThan(0);
      for (const tag of texts) {
        const value = found(out, EXPLICIT.uid, tag, 0)!.value!;
        const text = decodeText(value, 'LT', set);
        expect(text, name).to.include('***');
        for (const part of parts.filter(({ length }) => length > 1)) expect(text).not.to.include(part);
      }
    });
});

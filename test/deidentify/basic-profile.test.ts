import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { InvalidValueError } from '../../src/core/errors.js';
import type { Profile } from '../../src/deidentify/profile.js';
import { basicProfile } from '../../src/deidentify/ps3.15/basic-profile.js';
import type { ProfileOption } from '../../src/deidentify/ps3.15/options.js';
import { dictionaryVr } from '../../src/dimse/data-set/dictionary.js';
import {
  BIG_ENDIAN,
  DEFLATED_UID,
  element,
  encode,
  EXPLICIT,
  IMPLICIT,
  type Element,
  type Syntax,
} from '../dimse/data-set/elements.js';
import { deidentified, found, made, nested, PATIENT, pseudonyms } from './made.js';

/** A row as others wrote it down: fixtures/ps3.15/README.md says who. */
interface Row {
  readonly id: string;
  readonly name: string;
  readonly basicProfile: string;
  readonly [option: string]: string;
}

const ROWS = JSON.parse(
  readFileSync('fixtures/ps3.15/confidentiality_profile_attributes.json', 'utf8'),
) as readonly Row[];

const COLUMNS: Readonly<Record<ProfileOption, string>> = {
  'retain-safe-private': 'rtnSafePrivOpt',
  'retain-uids': 'rtnUIDsOpt',
  'retain-device-identity': 'rtnDevIdOpt',
  'retain-institution-identity': 'rtnInstIdOpt',
  'retain-patient-characteristics': 'rtnPatCharsOpt',
  'retain-longitudinal-full-dates': 'rtnLongFullDatesOpt',
  'retain-longitudinal-modified-dates': 'rtnLongModifDatesOpt',
  'clean-descriptors': 'cleanDescOpt',
  'clean-structured-content': 'cleanStructContOpt',
  'clean-graphics': 'cleanGraphOpt',
};

/** What may become of an element, as a reader of the output sees it. */
type Fate = 'gone' | 'empty' | 'other' | 'same' | 'mapped' | 'shifted';

/** The standard's letters, read again here: nothing of the profile's own code. */
function expectedFate(row: Row, option: ProfileOption | null, vr: string): Fate {
  const code = option === null ? undefined : row[COLUMNS[option]];
  const drawn = row.id.startsWith('50') || row.id === '60xx3000';
  if (code === 'K') return 'same';
  if (code === 'C' && option === 'retain-longitudinal-modified-dates')
    return vr === 'DA' || vr === 'DT' ? 'shifted' : 'same';
  if (code === 'C' && !drawn) return 'same';
  const basic = row.basicProfile;
  if (basic === 'X') return 'gone';
  if (basic === 'Z' || basic === 'X/Z') return 'empty';
  if (basic === 'U') return 'mapped';
  return vr === 'UI' ? 'mapped' : vr === 'SQ' ? 'same' : 'other';
}

/** A value of the VR that is none of the patient's and none of the dummies. */
function sample(tag: number, vr: string): Element {
  const texts: Readonly<Record<string, string>> = {
    AE: 'SOMEWHERE', AS: '044Y', CS: 'SOMETHING', DA: '20230415', DS: '12.5', DT: '20230415101112.000000+0100',
    IS: '4711', LO: 'some words', LT: 'some words', PN: 'Somebody^Else', SH: 'some words', ST: 'some words',
    TM: '101112', UC: 'some words', UI: '1.2.826.0.1.3680043.8.498.4711', UR: 'http://somewhere.example/', UT: 'some words',
  }; // prettier-ignore
  const text = texts[vr];
  if (vr === 'SQ')
    return {
      kind: 'items',
      tag,
      vr: 'SQ',
      items: [[element(0x00280010, 'US', Buffer.from([9, 0]))]],
      undefinedLength: false,
      undefinedItems: false,
    };
  return element(tag, vr, text ?? Buffer.alloc(8, 0x11));
}

const tagOf = (row: Row): number | null =>
  row.id === 'ggggeeee-where-gggg-is-odd' ? null : Number.parseInt(row.id.replaceAll('x', '0'), 16);

function fateOf(before: Element, after: ReturnType<typeof found>): Fate {
  if (after === undefined) return 'gone';
  if (before.kind !== 'value')
    return after.bytes.length > 12 + 8 && !isEmptySequence(after.bytes) ? 'same' : 'empty';
  const value = after.value ?? Buffer.alloc(0);
  if (value.length === 0) return 'empty';
  if (value.equals(before.value)) return 'same';
  if (before.vr === 'UI') return 'mapped';
  const text = value.toString('latin1');
  const isShifted = (before.vr === 'DA' || before.vr === 'DT') && text.startsWith('202');
  return isShifted ? 'shifted' : 'other';
}

function isEmptySequence(bytes: Buffer): boolean {
  return !bytes.includes(Buffer.from([0x28, 0, 0x10, 0])) && !bytes.includes(Buffer.from([0, 0x28, 0, 0x10]));
}

interface Way {
  readonly name: string;
  readonly syntax: Syntax;
  readonly vr: 'SQ' | 'UN';
  readonly undefinedLength: boolean;
  readonly deflated?: boolean;
}

const WAYS: readonly Way[] = [
  { name: 'explicit VR', syntax: EXPLICIT, vr: 'SQ', undefinedLength: false },
  { name: 'explicit VR, undefined lengths', syntax: EXPLICIT, vr: 'SQ', undefinedLength: true },
  { name: 'implicit VR', syntax: IMPLICIT, vr: 'SQ', undefinedLength: false },
  { name: 'implicit VR, undefined lengths', syntax: IMPLICIT, vr: 'SQ', undefinedLength: true },
  { name: 'big endian', syntax: BIG_ENDIAN, vr: 'SQ', undefinedLength: true },
  { name: 'big endian, defined lengths', syntax: BIG_ENDIAN, vr: 'SQ', undefinedLength: false },
  { name: 'deflated', syntax: EXPLICIT, vr: 'SQ', undefinedLength: false, deflated: true },
];

/** Rows of what a data set can't hold, or what the head has marks in the place of. */
function isOfDataSets(row: Row): boolean {
  const tag = tagOf(row);
  return tag !== null && tag >>> 16 !== 0 && tag >>> 16 !== 2 && dictionaryVr(tag) !== undefined;
}

async function fate(
  row: Row,
  vr: string,
  depth: number,
  way: Way,
  option: ProfileOption | null,
): Promise<Fate> {
  const tag = tagOf(row)!;
  const before = sample(tag, vr);
  const extra = depth === 0 ? before : nested(before, depth, way.vr, way.undefinedLength);
  // What tells who it is about stays as it is at the top, or there would be nobody.
  const bytes = encode(made([extra]), way.syntax);
  const uid = way.deflated === true ? DEFLATED_UID : way.syntax.uid;
  const input = way.deflated === true ? deflateRawSync(bytes) : bytes;
  const out = await deidentified(input, uid, profileWith(option));
  const plain = way.deflated === true ? inflateRawSync(out) : out;
  return fateOf(before, found(plain, way.syntax.uid, tag, depth));
}

/** Safe private elements need a list. */
function profileWith(option: ProfileOption | null): Profile {
  const safePrivate =
    option === 'retain-safe-private' ? [{ group: 0x0009, creator: 'ACME', element: 1 }] : [];
  return basicProfile({ options: option === null ? [] : [option], safePrivate });
}

const OPTIONS: readonly (ProfileOption | null)[] = [null, ...(Object.keys(COLUMNS) as ProfileOption[])];

function vrOf(row: Row): string {
  const vr = dictionaryVr(tagOf(row)!)!;
  return vr === 'ox' || vr === 'lt' ? 'OW' : vr === 'xs' ? 'US' : vr === 'na' ? 'LO' : vr;
}

describe('The Basic Profile (PS3.15 table E.1-1)', () => {
  for (const option of OPTIONS)
    it(`does to each row what it says, ${option ?? 'without options'}, in each encoding, at depths 0, 1 and 10`, async function () {
      this.timeout(120_000);
      const wrong: string[] = [];
      for (const row of ROWS.filter(isOfDataSets)) {
        const vr = vrOf(row);
        const want = expectedFate(row, option, vr);
        const marked = ['00120063', '00120064', '00120062', '00280303'].includes(row.id);
        for (const [depth, way] of depthsAndWays(option === null)) {
          if (depth === 0 && (marked || HEAD.has(row.id))) continue;
          const got = await fate(row, vr, depth, way, option);
          if (got !== want)
            wrong.push(`${row.name} ${row.id} ${vr} ${way.name} depth ${depth}: ${got} instead of ${want}`);
        }
      }
      expect(wrong).to.deep.equal([]);
    });

  it('keeps nothing that PS3.6 does not know', async () => {
    const out = await deidentified(
      encode(made([element(0x00091002, 'LO', 'private'), element(0x00187ffe, 'LO', 'unknown')]), EXPLICIT),
      EXPLICIT.uid,
      basicProfile(),
    );
    expect(out.includes('private')).to.equal(false);
    expect(out.includes('unknown')).to.equal(false);
  });

  it('keeps of private elements those of its list, in whatever block they are, and wants a list for its code', async () => {
    const of = (block: number, text: string): Element[] => [
      element(0x00090000 + block, 'LO', 'ACME'),
      element(0x00090000 + block * 0x100 + 1, 'LO', `safe ${text}`),
      element(0x00090000 + block * 0x100 + 2, 'LO', `other ${text}`),
    ];
    const blocks = [
      ...of(0x10, 'one'),
      ...of(0x77, 'two'),
      element(0x00090011, 'LO', 'OTHER'),
      element(0x00091101, 'LO', 'safe?'),
    ];
    const out = await deidentified(
      encode(made(blocks), EXPLICIT),
      EXPLICIT.uid,
      profileWith('retain-safe-private'),
    );
    expect(
      [...out.toString('latin1').matchAll(/safe one|safe two|other one|other two|safe\?|OTHER/g)].map(String),
    ).to.deep.equal(['safe one', 'safe two']);
    expect(out.includes('113111')).to.equal(true);
    expect(() => basicProfile({ options: ['retain-safe-private'] })).to.throw(InvalidValueError);
    expect(() => basicProfile({ safePrivate: [{ group: 9, creator: 'ACME', element: 1 }] })).to.throw(
      InvalidValueError,
    );
  });

  it('says what was done', async () => {
    const out = await deidentified(encode(made(), EXPLICIT), EXPLICIT.uid, basicProfile());
    const value = (tag: number): string => found(out, EXPLICIT.uid, tag, 0)!.value!.toString('latin1').trim();
    expect(value(0x00120062)).to.equal('YES');
    expect(value(0x00120063)).to.equal('PS3.15 2024b Basic Profile');
    expect(value(0x00280303)).to.equal('REMOVED');
    expect(out.includes('113100')).to.equal(true);
    expect(value(0x00100020)).to.equal(
      pseudonyms.of({ patientId: PATIENT.mrn, accessionNumber: '', studyInstanceUid: '' } as never).patientId,
    );
  });
});

/** What tells who an instance is about: tried inside of sequences, and in tests of their own. */
const HEAD = new Set([
  '00080016',
  '00080018',
  '00080050',
  '00100010',
  '00100020',
  '00100030',
  '0020000d',
  '0020000e',
]);

function depthsAndWays(all: boolean): [number, Way][] {
  if (all) return WAYS.flatMap((way): [number, Way][] => [0, 1, 10].map((depth) => [depth, way]));
  return [[0, WAYS[0]!], [1, WAYS[3]!], [10, WAYS[4]!]]; // prettier-ignore
}

import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deidentify } from '../../src/deidentify/deidentification.js';
import { basicProfile } from '../../src/deidentify/ps3.15/basic-profile.js';
import { ProjectPseudonyms } from '../../src/deidentify/pseudonyms.js';
import { decodeText } from '../../src/dimse/data-set/decode-text.js';
import { walkDataSet, type Visitor } from '../../src/dimse/data-set/rewriting-walker.js';
import { EXPLICIT_LE } from '../../src/dimse/data-set/encoding.js';
import { HeldBytes } from '../../src/dimse/data-set/held-bytes.js';
import { element, encode, EXPLICIT, streamOf, type Element } from '../dimse/data-set/elements.js';
import { made, PATIENT, pseudonyms, sequence } from './made.js';

const ROOT = '1.2.826.0.1.3680043.9999';
const CLASS = '1.2.840.10008.5.1.4.1.1';
const ui = (tag: number, uid: string): Element => element(tag, 'UI', uid.length % 2 === 0 ? uid : `${uid}\0`);
/** A reference to an instance, as Referenced SOP Sequence has it. */
const reference = (uid: string, sopClass = '2'): Element[] => [
  ui(0x00081150, `${CLASS}.${sopClass}`),
  ui(0x00081155, uid),
];
const series = (tag: number, uid: string, items: Element[][]): Element[] =>
  [sequence(tag, items), ui(0x0020000e, uid)].sort((one, other) => one.tag - other.tag);

const CT = ['1', '2', '3'].map((last) => `${ROOT}.1.2.${last}`);
const FRAME_OF_REFERENCE = `${ROOT}.1.9`;
const [STRUCT, PLAN, REPORT, STATE, KEYS, ENHANCED] = [
  'struct',
  'plan',
  'report',
  'state',
  'keys',
  'enhanced',
].map((_, index) => `${ROOT}.1.${20 + index}.1`) as [string, string, string, string, string, string];

/** Objects of one study that refer to one another, by the sequences in which their kinds do. */
const OBJECTS: Readonly<Record<string, Element[]>> = {
  ...Object.fromEntries(
    CT.map((uid) => [uid, [ui(0x00080016, `${CLASS}.2`), ui(0x00080018, uid), ui(0x00200052, FRAME_OF_REFERENCE)]]),
  ),
  [STRUCT]: [
    ui(0x00080016, `${CLASS}.481.3`),
    ui(0x00080018, STRUCT),
    ui(0x0020000e, `${ROOT}.1.20`),
    sequence(0x30060010, [
      [
        ui(0x00200052, FRAME_OF_REFERENCE),
        sequence(0x30060012, [
          [
            ...reference(PATIENT.study, '2'),
            sequence(0x30060014, [series(0x30060016, PATIENT.series, CT.map((uid) => reference(uid)))]),
          ],
        ]),
      ],
    ]),
    sequence(0x30060039, [[sequence(0x30060040, [[sequence(0x30060016, [reference(CT[1]!)])]])]]),
  ],
  [PLAN]: [
    ui(0x00080016, `${CLASS}.481.5`),
    ui(0x00080018, PLAN),
    ui(0x0020000e, `${ROOT}.1.21`),
    ui(0x00200052, FRAME_OF_REFERENCE),
    sequence(0x300c0060, [reference(STRUCT, '481.3')]),
  ],
  [REPORT]: [
    ui(0x00080016, `${CLASS}.88.33`),
    ui(0x00080018, REPORT),
    ui(0x0020000e, `${ROOT}.1.22`),
    sequence(0x0040a375, [[sequence(0x00081115, [series(0x00081199, PATIENT.series, CT.map((uid) => reference(uid)))]), ui(0x0020000d, PATIENT.study)]]),
    sequence(0x0040a730, [[element(0x0040a040, 'CS', 'IMAGE'), sequence(0x00081199, [reference(CT[2]!)])].sort((a, b) => a.tag - b.tag)]),
  ],
  [STATE]: [
    ui(0x00080016, `${CLASS}.11.1`),
    ui(0x00080018, STATE),
    ui(0x0020000e, `${ROOT}.1.23`),
    sequence(0x00081115, [series(0x00081140, PATIENT.series, [reference(CT[0]!)])]),
  ],
  [KEYS]: [
    ui(0x00080016, `${CLASS}.88.59`),
    ui(0x00080018, KEYS),
    ui(0x0020000e, `${ROOT}.1.24`),
    sequence(0x0040a375, [[sequence(0x00081115, [series(0x00081199, PATIENT.series, [reference(CT[0]!)])]), ui(0x0020000d, PATIENT.study)]]),
  ],
  [ENHANCED]: [
    ui(0x00080016, `${CLASS}.2.1`),
    ui(0x00080018, ENHANCED),
    ui(0x0020000e, `${ROOT}.1.25`),
    sequence(0x52009229, [[sequence(0x00081140, [reference(CT[0]!)])]]),
    sequence(0x52009230, [[sequence(0x00082112, [reference(CT[1]!)])], [sequence(0x00082112, [reference(CT[2]!)])]]),
  ],
}; // prettier-ignore

/** All UIDs outside of DICOM's own root, at any depth, in their order. */
function uidsIn(dataSet: Buffer): string[] {
  const uids: string[] = [];
  const visitor: Visitor = {
    course: (_, isSequence) => (isSequence ? 'descend' : 'value'),
    value: ({ vr }, bytes) => {
      if (vr === 'UI') uids.push(...decodeText(bytes, 'UI', '').split('\\'));
      return null;
    },
  };
  const held = new HeldBytes();
  held.push(dataSet);
  held.end();
  const step = walkDataSet(held, EXPLICIT_LE, visitor, () => undefined, { release: false }).next();
  expect(step.done).to.equal(true);
  return uids.filter((uid) => uid !== '' && !uid.startsWith('1.2.840.10008.'));
}

// References have to come out: they stand in sequences that an option keeps.
const profile = basicProfile({ options: ['clean-structured-content', 'clean-graphics'] });

async function deidentified(
  uid: string,
): Promise<{ readonly sopInstanceUid: string; readonly bytes: Buffer }> {
  const { sopInstanceUid, dataSet } = await deidentify(streamOf([input(uid)]), EXPLICIT.uid, {
    profileFor: () => profile,
    pseudonymOf: (identity) => pseudonyms.of(identity),
    rulesFor: () => ({
      allowedSopClasses: new Set(['11.1', '88.33', '88.59'].map((last) => `${CLASS}.${last}`)),
    }),
  });
  const parts: Buffer[] = [];
  for await (const part of dataSet) parts.push(part);
  return { sopInstanceUid, bytes: Buffer.concat(parts) };
}

const input = (uid: string): Buffer => encode(made(OBJECTS[uid]), EXPLICIT);

describe('UIDs of objects that refer to one another', () => {
  it('are mapped alike wherever they stand, each to one that nothing else has', async () => {
    const mapping = new Map<string, string>();
    for (const uid of Object.keys(OBJECTS)) {
      const { sopInstanceUid, bytes } = await deidentified(uid);
      const [before, after] = [uidsIn(input(uid)), uidsIn(bytes)];
      expect(after.length, uid).to.equal(before.length);
      for (const [index, original] of before.entries()) {
        const known = mapping.get(original) ?? after[index]!;
        expect(after[index], `${uid}: ${original}`).to.equal(known);
        mapping.set(original, known);
      }
      expect(mapping.get(uid)).to.equal(sopInstanceUid);
    }
    // Nine instances, their seven series, the study, and the frame of reference.
    expect(mapping.size).to.equal(18);
    expect(new Set(mapping.values()).size).to.equal(18);
    for (const made of mapping.values()) expect(made).to.match(/^2\.25\.\d+$/);
  });

  it('are the same from another process', async () => {
    const script = `
      import { ProjectPseudonyms } from ${JSON.stringify(new URL('../../src/deidentify/index.js', import.meta.url).href)};
      const pseudonyms = new ProjectPseudonyms(Buffer.alloc(32, 7), 'made', 365);
      process.stdout.write(pseudonyms.uid('${PATIENT.series}'));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(stdout).to.equal(new ProjectPseudonyms(Buffer.alloc(32, 7), 'made', 365).uid(PATIENT.series));
  });

  it('do not change with the order in which instances come, nor when they come again', async () => {
    const digest = async (uid: string): Promise<string> =>
      createHash('sha256')
        .update((await deidentified(uid)).bytes)
        .digest('hex');
    const uids = Object.keys(OBJECTS);
    const first = await Promise.all(uids.map(digest));
    const again: string[] = [];
    for (const uid of uids.toReversed()) again.push(await digest(uid));
    expect(again.toReversed()).to.deep.equal(first);
  });
});

import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BIG_ENDIAN, chunksOf, encode, EXPLICIT, lo, tag } from '../dimse/data-set/elements.js';

/** As dump2dcm reads it: sequences of both lengths, private groups below and above, pixel data. */
const PLAIN = `
(0008,0005) CS [ISO_IR 192]
(0008,0016) UI [1.2.840.10008.5.1.4.1.1.4]
(0008,0018) UI [1.2.3.4.5]
(0008,0060) CS [MR]
(0008,1115) SQ (Sequence)
(fffe,e000) na (Item)
(0008,1199) SQ (Sequence)
(fffe,e000) na (Item)
(0008,1150) UI [1.2.840.10008.5.1.4.1.1.4]
(0008,1155) UI [1.2.3.4.6]
(fffe,e00d) na
(fffe,e0dd) na
(0020,000e) UI [1.2.3.4.7]
(fffe,e00d) na
(fffe,e000) na (Item)
(fffe,e00d) na
(fffe,e0dd) na
(0008,1140) SQ (Sequence)
(fffe,e0dd) na
(0009,0010) LO [ACME 1.1]
(0009,1001) UN 01\\02\\03\\04
(0010,0010) PN [Test^Person]
(0010,0020) LO [1234]
(0028,0010) US 2
(0028,0011) US 2
(0028,0100) US 16
(7fe0,0010) OW 0001\\0203\\0405\\feff
`;
const WITH_OTHER_CREATOR = PLAIN.replace(
  '(0010,0010)',
  '(000d,0010) LO [ACME 1.1]\n(000d,1001) LO [theirs]\n(000f,0010) LO [ACME 1.1]\n(0010,0010)',
);
const CONVERSIONS: readonly (readonly [name: string, uid: string, options: readonly string[]])[] = [
  ['Explicit VR Little Endian', '1.2.840.10008.1.2.1', ['+te', '-e']],
  ['Explicit VR Little Endian, undefined lengths', '1.2.840.10008.1.2.1', ['+te', '+e']],
  ['Implicit VR Little Endian', '1.2.840.10008.1.2', ['+ti', '+e']],
  ['Implicit VR Little Endian, undefined lengths', '1.2.840.10008.1.2', ['+ti', '-e']],
  ['Explicit VR Big Endian', '1.2.840.10008.1.2.2', ['+tb', '-e']],
  ['Explicit VR Big Endian, group lengths', '1.2.840.10008.1.2.2', ['+tb', '+e', '+g']],
  ['Deflated Explicit VR Little Endian', '1.2.840.10008.1.2.1.99', ['+td', '-e']],
];

let folder: string;

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  expect({ status, stderr }, `${command} ${args.join(' ')}`).to.deep.equal({ status: 0, stderr: '' });
  return stdout;
}

/** A DICOM file (PS3.10 7.1) that dcmtk made of a dump, cut where its data set begins. */
function makeFile(
  dump: string,
  options: readonly string[],
): { readonly meta: Buffer; readonly dataSet: Buffer } {
  const [text, plain, file] = ['dump.txt', 'plain.dcm', 'made.dcm'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(text, dump);
  run('dump2dcm', ['+te', text, plain]);
  run('dcmconv', [...options, plain, file]);
  const bytes = readFileSync(file);
  const begin = 144 + bytes.readUInt32LE(140);
  return { meta: bytes.subarray(0, begin), dataSet: bytes.subarray(begin) };
}

/** What dcmdump reads: a line for each element, lengths of sequences aside. */
function dumpOf(meta: Buffer, dataSet: Buffer): string[] {
  const file = join(folder, 'judged.dcm');
  writeFileSync(file, Buffer.concat([meta, dataSet]));
  return run('dcmdump', ['-q', '+L', file])
    .split('\n')
    .filter((line) => /^ *\(/.test(line));
}

const inGroup000d = (line: string): boolean => line.startsWith('(000d,');

describe('dcmtk reads a data set with the project element', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixl-data-set-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  for (const [name, uid, options] of CONVERSIONS) {
    const judge = async (dump: string): Promise<string[]> => {
      const { meta, dataSet } = makeFile(dump, options);
      const before = dumpOf(meta, dataSet);
      const after = dumpOf(meta, await tag(chunksOf(dataSet, 100), uid, 'my projects'));
      expect(after.filter((line) => !inGroup000d(line))).to.deep.equal(
        before.filter((line) => !inGroup000d(line)),
      );
      expect(after.findIndex(inGroup000d)).to.be.greaterThan(
        after.findIndex((line) => line.startsWith('(0009,')),
      );
      expect(after.findIndex(inGroup000d)).to.be.lessThan(
        after.findIndex((line) => line.startsWith('(0010,')),
      );
      return after.filter(inGroup000d).map((line) => line.replace(/ *#.*/, ''));
    };
    // In implicit VR dcmdump knows no VR for private elements and shows them as bytes.
    const shown = (text: string): string =>
      uid === '1.2.840.10008.1.2'
        ? `?? ${[...Buffer.from(text)].map((byte) => byte.toString(16).padStart(2, '0')).join('\\')}`
        : `LO [${text.trimEnd()}]`;

    it(`in ${name}, beside another creator`, async () => {
      expect(await judge(WITH_OTHER_CREATOR)).to.deep.equal([
        '(000d,0010) LO [ACME 1.1]',
        '(000d,0011) LO [UCLH PIXL]',
        `(000d,1001) ${shown('theirs')}`,
        `(000d,1101) ${shown('my projects ')}`,
      ]);
    });
  }

  it('whose head has a UN of undefined length, Implicit VR Little Endian inside whatever is outside', async () => {
    for (const [syntax, option] of [
      [EXPLICIT, '-te'],
      [BIG_ENDIAN, '-tb'],
    ] as const) {
      const items = [[lo(0x00081150, '1.2.34'), lo(0x00100010, 'inside')]];
      const un = {
        kind: 'items',
        tag: 0x00091001,
        vr: 'UN',
        items,
        undefinedLength: true,
        undefinedItems: true,
      } as const;
      const file = join(folder, 'data-set');
      writeFileSync(file, await tag([encode([un, lo(0x00100010, 'A^B ')], syntax)], syntax.uid));
      const lines = run('dcmdump', ['-q', '-f', option, file]).split('\n');
      const tags = lines.map((line) => line.trim().slice(0, 11)).filter((each) => each.startsWith('(0'));
      expect(tags).to.deep.equal([
        '(0009,1001)',
        '(0008,1150)',
        '(0010,0010)',
        '(000d,0010)',
        '(000d,1001)',
        '(0010,0010)',
      ]);
    }
  });
});

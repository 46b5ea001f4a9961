import { expect } from 'chai';
import { MAX_HEAD_LENGTH } from '../../../src/dimse/data-set/element-walker.js';
import { passedOn } from '../../../src/dimse/data-set/passed-on.js';
import { DataSetHeadError } from '../../../src/dimse/errors.js';
import {
  chunksOf,
  element,
  encode,
  EXPLICIT,
  header,
  IMPLICIT,
  lo,
  streamOf,
  SYNTAXES,
  tag,
  type Element,
} from './elements.js';

const NAME = element(0x00100010, 'PN', 'A^B ');
const PIXELS = element(0x7fe00010, 'OW', Buffer.from('0123456789abcdef', 'hex'));
const OURS = [lo(0x000d0010, 'UCLH PIXL'), lo(0x000d1001, 'proj')];

const sequence = (tagOf: number, vr: 'SQ' | 'UN', undefinedLength: boolean, items: Element[][]): Element => ({
  kind: 'items',
  tag: tagOf,
  vr,
  items,
  undefinedLength,
  undefinedItems: undefinedLength,
});

/** Everything that can stand before the element. */
const HEAD: readonly Element[] = [
  element(0x00080005, 'CS', 'ISO_IR 192'),
  element(0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.4\0'),
  element(0x00080050, 'SH', ''),
  sequence(0x00081110, 'SQ', true, []),
  sequence(0x00081111, 'SQ', false, []),
  sequence(0x00081115, 'SQ', true, [
    [],
    [
      lo(0x00081150, 'a'),
      sequence(0x0008114a, 'SQ', true, [[lo(0x000d1001, 'inner')], []]),
      lo(0x00081155, 'b'),
    ],
    [sequence(0x0008114a, 'SQ', false, [[sequence(0x0008114b, 'SQ', true, [[NAME]])]])],
  ]),
  sequence(0x00082112, 'SQ', false, [[lo(0x00081155, '1.2')]]),
  lo(0x00090010, 'ACME'),
  sequence(0x00091001, 'UN', true, [
    [lo(0x00091001, 'implicit'), sequence(0x00091002, 'SQ', true, [[NAME]])],
  ]),
  element(0x00091003, 'UN', 'defined'),
  element(0x00091004, 'UT', 'long form'),
  lo(0x000b0010, 'ACME'),
  element(0x000b1001, 'OB', Buffer.alloc(9)),
];
const FRAGMENTS: Element = {
  kind: 'fragments',
  tag: 0x000b1002,
  fragments: [Buffer.alloc(0), Buffer.from('fffefffe', 'hex'), Buffer.alloc(3)],
};

async function failureOf(chunks: Iterable<Buffer>, uid: string): Promise<unknown> {
  try {
    for await (const part of passedOn(streamOf(chunks), uid, 'proj'))
      expect.fail(`given out before the head was found bad: ${part.length} bytes`);
  } catch (error) {
    return error;
  }
  return null;
}

async function expectRefused(bytes: Buffer, uid: string, why: string): Promise<void> {
  for (const size of [bytes.length, 1, 5]) {
    const error = await failureOf(chunksOf(bytes, Math.max(size, 1)), uid);
    expect(error, why).to.be.instanceOf(DataSetHeadError);
    expect((error as DataSetHeadError).problem).to.include(why);
    expect(error).to.include({ code: 'DATA_SET_HEAD', retry: 'never' });
  }
}

describe('The head of a data set', () => {
  it('is walked the same at every split of the bytes', async () => {
    for (const syntax of SYNTAXES) {
      const head = syntax.explicit ? [...HEAD, FRAGMENTS] : HEAD;
      const bytes = encode([...head, NAME, PIXELS], syntax);
      const wanted = encode([...head, ...OURS, NAME, PIXELS], syntax).toString('hex');
      for (let at = 0; at <= bytes.length; at += 1)
        expect((await tag([bytes.subarray(0, at), bytes.subarray(at)], syntax.uid)).toString('hex')).to.equal(
          wanted,
          `${syntax.uid} cut at ${at}`,
        );
      for (let size = 1; size <= 64; size += 1)
        expect((await tag(chunksOf(bytes, size), syntax.uid)).toString('hex')).to.equal(wanted);
    }
  });

  it('is refused wherever it breaks off, but between elements', async () => {
    for (const syntax of SYNTAXES) {
      const bytes = encode(HEAD, syntax);
      const ends = new Set(HEAD.map((_, index) => encode(HEAD.slice(0, index + 1), syntax).length).concat(0));
      for (let length = 0; length <= bytes.length; length += 1) {
        if (ends.has(length)) await tag([bytes.subarray(0, length)], syntax.uid);
        else await expectRefused(bytes.subarray(0, length), syntax.uid, 'ends inside an element');
      }
    }
  });

  it('may hold sequences 64 deep, not 65', async () => {
    const nested = (depth: number): Element =>
      sequence(0x00081115, 'SQ', true, depth === 1 ? [[]] : [[nested(depth - 1)]]);
    for (const syntax of SYNTAXES) {
      await tag([encode([nested(64), NAME], syntax)], syntax.uid);
      await expectRefused(encode([nested(65), NAME], syntax), syntax.uid, 'more than 64 deep');
    }
  });

  it('is refused for what can not be in a data set', async () => {
    const uid = EXPLICIT.uid;
    const open = header(0x00081115, 'SQ', 0xffffffff, EXPLICIT);
    const item = header(0xfffee000, '', 0xffffffff, EXPLICIT);
    const itemEnd = header(0xfffee00d, '', 0, EXPLICIT);
    const name = encode([NAME], EXPLICIT);
    const cases: [string, Buffer[]][] = [
      ['a VR that is none', [header(0x00080060, 'c1', 2, EXPLICIT), Buffer.from('MR')]],
      ['a group that is not for data sets', [header(0, 'UL', 0, EXPLICIT)]],
      ['a group that is not for data sets', [itemEnd]],
      ['items and delimiters in disorder', [open, name]],
      ['items and delimiters in disorder', [open, itemEnd]],
      ['items and delimiters in disorder', [open, item, header(0xfffee0dd, '', 0, EXPLICIT)]],
      ['items and delimiters in disorder', [open, item, item]],
      ['a delimiter that has a length', [open, item, header(0xfffee00d, '', 2, EXPLICIT), Buffer.alloc(2)]],
      ['an undefined length where the VR allows none', [header(0x00091001, 'UT', 0xffffffff, EXPLICIT)]],
      ['a fragment of undefined length', [header(0x00091001, 'OB', 0xffffffff, EXPLICIT), item]],
      ['it ends inside an element', [open, item, itemEnd]],
    ];
    for (const [why, parts] of cases) await expectRefused(Buffer.concat(parts), uid, why);
  });

  it('may hold elements of commands and of files, in the encoding of those', async () => {
    const uid = Buffer.from('1.2.840.10008.1.2.1\0', 'latin1');
    const foreign = [
      [header(0x00000002, '', uid.length, IMPLICIT), uid],
      [header(0x00020010, 'UI', uid.length, EXPLICIT), uid],
      [header(0x00000000, '', 4, IMPLICIT), Buffer.alloc(4)],
    ].map((parts) => Buffer.concat(parts));
    for (const syntax of [EXPLICIT, IMPLICIT])
      for (const element of foreign) {
        const out = await tag([Buffer.concat([element, encode([NAME], syntax)])], syntax.uid);
        expect(out).to.deep.equal(Buffer.concat([element, encode([...OURS, NAME], syntax)]));
      }
  });

  it('is refused when all private blocks of 000D are taken', () => {
    const all = Array.from({ length: 0xf0 }, (_, index) => lo(0x000d0010 + index, 'ACME'));
    return expectRefused(encode([...all, NAME], EXPLICIT), EXPLICIT.uid, 'no free block');
  });

  it('takes an unknown VR of two letters for one with a long length, and ?? for one with a short length', async () => {
    const unknown = Buffer.concat([
      Buffer.from('0900011058590000', 'hex'), // (0009,1001) XY
      Buffer.from('0400000001020304', 'hex'), // 4 bytes
      Buffer.from('090002103f3f02000102', 'hex'), // (0009,1002) ??, 2 bytes
    ]);
    const out = await tag([Buffer.concat([unknown, encode([NAME], EXPLICIT)])], EXPLICIT.uid);
    expect(out).to.deep.equal(Buffer.concat([unknown, encode([...OURS, NAME], EXPLICIT)]));
  });

  it('may be of any length, before the group of the element and in it', async () => {
    const long = Buffer.alloc(9 * 1024 * 1024, 'long ');
    const filler = (tag: number): Element => element(tag, 'OB', long);
    const other = lo(0x000d0010, 'ACME');
    const ours = [lo(0x000d0011, 'UCLH PIXL'), lo(0x000d1101, 'proj')];
    const nested: Element = {
      ...sequence(0x00081115, 'SQ', true, [[filler(0x00091001)], [filler(0x00091001)]]),
    };
    for (const syntax of SYNTAXES) {
      for (const before of [[filler(0x000b1001)], [nested], [filler(0x00090010), filler(0x000b1001)]])
        expect(
          (await tag(chunksOf(encode([...before, NAME], syntax), 65_536), syntax.uid)).equals(
            encode([...before, ...OURS, NAME], syntax),
          ),
        ).to.equal(true);
      const inside = [other, filler(0x000d1001), filler(0x000d1002)];
      const wanted = [other, ours[0]!, ...inside.slice(1), ours[1]!, NAME];
      expect(
        (await tag(chunksOf(encode([...inside, NAME], syntax), 65_536), syntax.uid)).equals(
          encode(wanted, syntax),
        ),
      ).to.equal(true);
    }
  });

  it('is refused at once, without waiting for the bytes, where what has to be read is over the limit', async () => {
    for (const length of [MAX_HEAD_LENGTH, 0xfffffffe]) {
      await expectRefused(header(0x000d0010, 'OB', length, EXPLICIT), EXPLICIT.uid, 'have to be held');
      await expectRefused(header(0x000d0010, '', length, IMPLICIT), IMPLICIT.uid, 'have to be held');
    }
  });

  it('says nothing of the data in its errors', async () => {
    const error = await failureOf(
      [encode([lo(0x00080080, 'SECRET')], EXPLICIT).subarray(0, 12)],
      EXPLICIT.uid,
    );
    expect(String(error)).to.equal('DataSetHeadError: data set: it ends inside an element');
  });
});

import { expect } from 'chai';
import { InvalidValueError } from '../../../src/core/errors.js';
import {
  BIG_ENDIAN,
  chunksOf,
  element,
  encode,
  EXPLICIT,
  hex,
  IMPLICIT,
  lo,
  SYNTAXES,
  tag,
  type Element,
} from './elements.js';

const MODALITY = element(0x00080060, 'CS', 'MR');
const NAME = element(0x00100010, 'PN', 'A^B ');
const OURS = [lo(0x000d0010, 'UCLH PIXL'), lo(0x000d1001, 'proj')];

async function expectTagged(before: readonly Element[], after: readonly Element[]): Promise<void> {
  for (const syntax of SYNTAXES) {
    const bytes = encode(before, syntax);
    const wanted = encode(after, syntax).toString('hex');
    expect((await tag([bytes], syntax.uid)).toString('hex'), syntax.uid).to.equal(wanted);
    for (const size of [1, 2, 3, 7, 12, 19])
      expect((await tag(chunksOf(bytes, size), syntax.uid)).toString('hex'), `by ${size}`).to.equal(wanted);
  }
}

describe('The bytes of the project element', () => {
  it('are these in Explicit VR Little Endian', async () => {
    const before = '0800 6000 4353 0200 4d52'; //     (0008,0060) CS "MR"
    const after = '1000 1000 504e 0400 415e 4220'; // (0010,0010) PN "A^B "
    const out = await tag([hex(before, after)], EXPLICIT.uid, 'abc');
    expect(out.toString('hex')).to.equal(
      hex(
        before,
        '0d00 1000 4c4f 0a00 55434c48205049584c20', // (000D,0010) LO "UCLH PIXL "
        '0d00 0110 4c4f 0400 61626320', //              (000D,1001) LO "abc "
        after,
      ).toString('hex'),
    );
  });

  it('are these in Implicit VR Little Endian', async () => {
    const before = '0800 6000 02000000 4d52';
    const after = '1000 1000 04000000 415e 4220';
    const out = await tag([hex(before, after)], IMPLICIT.uid, 'abc');
    expect(out.toString('hex')).to.equal(
      hex(before, '0d00 1000 0a000000 55434c48205049584c20', '0d00 0110 04000000 61626320', after).toString(
        'hex',
      ),
    );
  });

  it('are these in Explicit VR Big Endian', async () => {
    const before = '0008 0060 4353 0002 4d52';
    const after = '0010 0010 504e 0004 415e 4220';
    const out = await tag([hex(before, after)], BIG_ENDIAN.uid, 'abc');
    expect(out.toString('hex')).to.equal(
      hex(before, '000d 0010 4c4f 000a 55434c48205049584c20', '000d 1001 4c4f 0004 61626320', after).toString(
        'hex',
      ),
    );
  });

  it('are those of Explicit VR Little Endian in compressed transfer syntaxes and in unknown ones', async () => {
    for (const uid of ['1.2.840.10008.1.2.4.90', '1.2.840.10008.1.2.5', '1.2.3'])
      expect(await tag([encode([MODALITY, NAME], EXPLICIT)], uid)).to.deep.equal(
        encode([MODALITY, ...OURS, NAME], EXPLICIT),
      );
  });
});

// Where it goes among any elements, private ones of group 000D too, the edit of a model says: project-tag.property.test.ts.
describe('The place of the project element', () => {
  it('is found when elements below it are in disorder', async () => {
    const lower = [lo(0x00080070, 'maker'), lo(0x00080020, '20200101')];
    await expectTagged([...lower, NAME], [...lower, ...OURS, NAME]);
  });
});

describe('Private elements of group 000D that are there already', () => {
  const acme = (block: number): Element => lo(0x000d0000 + block, 'ACME');
  const project = (block: number, text = 'proj'): Element => lo(0x000d0001 + block * 0x100, text);
  const creator = (block: number, text = 'UCLH PIXL'): Element => lo(0x000d0000 + block, text);

  it('have their creator compared without trailing padding', async () => {
    for (const text of ['UCLH PIXL\0', 'UCLH PIXL   ', 'UCLH PIXL \0'])
      await expectTagged(
        [creator(0x10, text), project(0x10, 'old'), NAME],
        [creator(0x10, text), project(0x10), NAME],
      );
    for (const text of ['UCLH PIXL2', 'UCLH PIX', 'UCLH', ' '])
      await expectTagged(
        [creator(0x10, text), NAME],
        [creator(0x10, text), creator(0x11), project(0x11), NAME],
      );
  });

  it('can fill all blocks but the last', () => {
    const all = Array.from({ length: 0xef }, (_, index) => acme(0x10 + index));
    return expectTagged([...all, NAME], [...all, creator(0xff), project(0xff), NAME]);
  });
});

describe('The project name', () => {
  const tagged = async (charset: string | null, project: string): Promise<string> => {
    const charsets = charset === null ? [] : [element(0x00080005, 'CS', charset)];
    const head = encode([...charsets, ...OURS.slice(0, 1)], EXPLICIT).length + 8;
    return (await tag([encode([...charsets], EXPLICIT)], EXPLICIT.uid, project))
      .subarray(head)
      .toString('hex');
  };
  const latin1 = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

  it('is written as it is when it is ASCII, padded to even length', async () => {
    for (const charset of [null, 'ISO_IR 192', 'ISO_IR 100', '\\ISO 2022 IR 87']) {
      expect(await tagged(charset, 'abc')).to.equal(latin1('abc '));
      expect(await tagged(charset, 'test-extract-uclh-omop-cdm')).to.equal(
        latin1('test-extract-uclh-omop-cdm'),
      );
    }
    expect(await tagged(null, '')).to.equal('');
  });

  it('is written in UTF-8 in a data set in UTF-8', async () => {
    expect(await tagged('ISO IR 192', 'Größe')).to.equal(Buffer.from('Größe ', 'utf8').toString('hex'));
    expect(await tagged('ISO_IR 192', 'Zoë 心')).to.equal(Buffer.from('Zoë 心', 'utf8').toString('hex'));
    expect(await tagged('ISO_IR 192', 'Zoë')).to.equal(Buffer.from('Zoë', 'utf8').toString('hex'));
  });

  it('is written in Latin-1 in a data set in Latin-1, however its accents are composed', async () => {
    for (const charset of ['ISO_IR 100', 'ISO 2022 IR 100', 'ISO 2022 IR 100\\ISO 2022 IR 87'])
      for (const name of ['Zoë', 'Zoe\u0308'])
        expect(await tagged(charset, name)).to.equal(latin1('Zo\xeb '));
    expect(await tagged('ISO_IR 100', '心𝄞\x85')).to.equal(latin1('??? '));
  });

  it('loses accents that the character set lacks, and has question marks for the rest', async () => {
    for (const charset of [null, '', 'ISO_IR 144', '\\ISO 2022 IR 87', 'GB18030'])
      expect(await tagged(charset, 'Zoë 𝄞')).to.equal(latin1('Zoe ? '));
    expect(await tagged('ISO_IR 100', 'Łódź')).to.equal(latin1('?\xf3dz'));
    expect(await tagged('ISO_IR 192', 'a\nb\x1b')).to.equal(latin1('a?b?'));
  });

  it('is refused when no data element could hold it', async () => {
    let thrown: unknown;
    await tag([encode([NAME], EXPLICIT)], EXPLICIT.uid, 'x'.repeat(70_000)).catch((error: unknown) => {
      thrown = error;
    });
    expect(thrown).to.be.instanceOf(InvalidValueError);
  });
});

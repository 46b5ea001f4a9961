import { expect } from 'chai';
import { deflateRawSync } from 'node:zlib';
import { passedOn } from '../../../src/dimse/data-set/passed-on.js';
import { DataSetHeadError } from '../../../src/dimse/errors.js';
import {
  BIG_ENDIAN,
  chunksOf,
  DEFLATED_UID,
  element,
  encode,
  EXPLICIT,
  header,
  IMPLICIT,
  lo,
  streamOf,
  SYNTAXES,
  type Element,
  type Syntax,
} from './elements.js';

const JPEG = '1.2.840.10008.1.2.4.70';
const ENCAPSULATED = [JPEG, '1.2.840.10008.1.2.5', '1.2.840.10008.1.2.1.98', '1.2.840.10008.1.2.4.100.1'];

const HEAD = [
  element(0x00080005, 'CS', 'ISO_IR 100'),
  element(0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.4\0'),
  lo(0x00100010, 'A^B'),
  element(0x00280010, 'US', Buffer.alloc(2)),
];
const NATIVE = element(0x7fe00010, 'OW', Buffer.alloc(5000, 0x55));
const FRAGMENTS: Element = {
  kind: 'fragments',
  tag: 0x7fe00010,
  fragments: [Buffer.alloc(0), Buffer.alloc(5000)],
};
const icon = (pixels: Element): Element => ({
  ...{ kind: 'items', tag: 0x00880200, vr: 'SQ', undefinedLength: true, undefinedItems: true },
  items: [[element(0x00280010, 'US', Buffer.alloc(2)), pixels]],
});

/** What is given out of it, with and without a project's name, in one piece and in small ones. */
async function outcomes(bytes: Buffer, uid: string): Promise<string[]> {
  const ends: string[] = [];
  for (const project of [null, 'proj'])
    for (const pieces of [[bytes], chunksOf(bytes, 7)]) {
      const parts: Buffer[] = [];
      try {
        for await (const part of passedOn(streamOf(pieces), uid, project)) parts.push(part);
        const out = Buffer.concat(parts);
        ends.push(out.equals(bytes) ? 'as it came' : 'with the name');
      } catch (error) {
        expect(error).to.be.instanceOf(DataSetHeadError);
        expect(parts, 'given out before it was refused').to.deep.equal([]);
        ends.push((error as DataSetHeadError).problem);
      }
    }
  return ends;
}

async function expectPassed(bytes: Buffer, uid: string): Promise<void> {
  expect(await outcomes(bytes, uid), uid).to.deep.equal([
    ...['as it came', 'as it came', 'with the name', 'with the name'],
  ]);
}

async function expectRefused(bytes: Buffer, uid: string, why: RegExp): Promise<void> {
  for (const end of await outcomes(bytes, uid)) expect(end, uid).to.match(why);
}

describe('a data set that is not in the transfer syntax that it is said to be in', () => {
  it('is refused where the pixel data should be encapsulated and is not, and the other way round', async () => {
    for (const uid of ENCAPSULATED) {
      await expectRefused(
        encode([...HEAD, NATIVE], EXPLICIT),
        uid,
        new RegExp(`^pixel data that is not encapsulated, in transfer syntax ${uid.replaceAll('.', '\\.')}$`),
      );
      await expectPassed(encode([...HEAD, FRAGMENTS], EXPLICIT), uid);
    }
    for (const syntax of SYNTAXES) {
      await expectRefused(encode([...HEAD, FRAGMENTS], syntax), syntax.uid, /^encapsulated pixel data in/);
      await expectPassed(encode([...HEAD, NATIVE], syntax), syntax.uid);
    }
    const deflated = (elements: readonly Element[]): Buffer => deflateRawSync(encode(elements, EXPLICIT));
    await expectRefused(deflated([...HEAD, FRAGMENTS]), DEFLATED_UID, /^encapsulated pixel data in/);
    await expectPassed(deflated([...HEAD, NATIVE]), DEFLATED_UID);
  });

  it('is refused where its elements are written in another way', async () => {
    const written: readonly (readonly [as: Syntax, saidToBe: string])[] = [
      [EXPLICIT, IMPLICIT.uid],
      [EXPLICIT, BIG_ENDIAN.uid],
      [EXPLICIT, DEFLATED_UID],
      [IMPLICIT, EXPLICIT.uid],
      [IMPLICIT, BIG_ENDIAN.uid],
      [IMPLICIT, JPEG],
      [IMPLICIT, DEFLATED_UID],
      [BIG_ENDIAN, EXPLICIT.uid],
      [BIG_ENDIAN, IMPLICIT.uid],
      [BIG_ENDIAN, JPEG],
    ];
    for (const [as, saidToBe] of written)
      for (const elements of [HEAD, [...HEAD, NATIVE], HEAD.slice(0, 1)])
        await expectRefused(encode(elements, as), saidToBe, /./);
    await expectRefused(deflateRawSync(encode([...HEAD, NATIVE], EXPLICIT)), EXPLICIT.uid, /./);
  });

  it('is refused where it breaks off before its pixel data', async () => {
    const bytes = encode([...HEAD, NATIVE], EXPLICIT);
    const headLength = encode(HEAD, EXPLICIT).length;
    for (const length of [headLength - 1, headLength + 5]) {
      await expectRefused(bytes.subarray(0, length), EXPLICIT.uid, /^it ends inside an element$/);
      await expectRefused(
        deflateRawSync(bytes.subarray(0, length)),
        DEFLATED_UID,
        /^it ends inside an element$/,
      );
    }
  });
});

describe('a data set that is in its transfer syntax', () => {
  it('passes with whatever pixel data its items have, and with pixel data that is empty', async () => {
    await expectPassed(encode([...HEAD, icon(NATIVE), FRAGMENTS], EXPLICIT), JPEG);
    await expectPassed(encode([...HEAD, icon(FRAGMENTS), NATIVE], EXPLICIT), EXPLICIT.uid);
    await expectPassed(encode([...HEAD, element(0x7fe00010, 'OW', '')], EXPLICIT), JPEG);
  });

  it('passes without pixel data, with odd private elements, and with zeros behind its end', async () => {
    const odd = Buffer.concat([
      encode([lo(0x00290010, 'ACME')], IMPLICIT),
      header(0x00291001, '', 3, IMPLICIT), // an odd length
      Buffer.from('odd'),
      header(0x00291002, '', 0x4243, IMPLICIT), // a length that looks like a VR
      Buffer.alloc(0x4243),
    ]);
    for (const syntax of SYNTAXES) {
      await expectPassed(encode(HEAD, syntax), syntax.uid);
      for (const zeros of [1, 8, 500])
        await expectPassed(Buffer.concat([encode(HEAD, syntax), Buffer.alloc(zeros)]), syntax.uid);
    }
    await expectPassed(Buffer.concat([encode(HEAD, IMPLICIT), odd]), IMPLICIT.uid);
    for (const length of [0x5343, 0x4f4c]) {
      const first = Buffer.concat([header(0x00080005, '', length, IMPLICIT), Buffer.alloc(length, 0x41)]);
      await expectPassed(Buffer.concat([first, encode(HEAD.slice(1), IMPLICIT)]), IMPLICIT.uid);
    }
  });

  it('passes in a syntax of which nothing is known, whatever its pixel data', async () => {
    for (const pixels of [NATIVE, FRAGMENTS])
      await expectPassed(encode([...HEAD, pixels], EXPLICIT), '1.2.3.4');
  });
});

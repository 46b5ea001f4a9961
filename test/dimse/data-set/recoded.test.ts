import { expect } from 'chai';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { otherSyntaxes, recoded } from '../../../src/dimse/data-set/recoded.js';
import { DataSetHeadError } from '../../../src/dimse/errors.js';
import { rejection } from '../../support/scripted-scp.js';
import {
  BIG_ENDIAN,
  chunksOf,
  DEFLATED_UID,
  element,
  encode,
  EXPLICIT,
  IMPLICIT,
  streamOf,
  type Element,
  type Syntax,
} from './elements.js';

const DEFLATED: Syntax = { ...EXPLICIT, uid: DEFLATED_UID };
const ALL: readonly Syntax[] = [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED];
const WORDS: Readonly<Record<string, number>> = { US: 2, SS: 2, OW: 2, AT: 2, UL: 4, FL: 4, FD: 8 };

const sequence = (tag: number, vr: 'SQ' | 'UN', ...items: readonly Element[][]): Element => ({
  ...{ kind: 'items', tag, vr, items, undefinedLength: true, undefinedItems: true },
});

/** With a value of little endian words for each VR, at the top and in items. */
function model(depth: number): Element[] {
  const bytes = (length: number): Buffer =>
    Buffer.from(Array.from({ length }, (_, at) => (at * 7 + depth) & 0xff));
  return [
    element(0x00080018, 'UI', '1.2.3.4'),
    element(0x00081030, 'LO', 'a study'),
    ...(depth < 2 ? [sequence(0x00081140, 'SQ', model(depth + 1), model(depth + 1))] : []),
    element(0x00090010, 'LO', 'ACME'),
    element(0x00091001, 'UN', bytes(6)),
    element(0x00180015, 'CS', 'HEAD'),
    element(0x00204000, 'LT', 'some text'),
    element(0x00209157, 'UL', bytes(8)),
    element(0x00209165, 'AT', bytes(4)),
    element(0x00280010, 'US', bytes(2)),
    element(0x00280103, 'US', Buffer.from([depth % 2, 0])),
    element(0x00280106, depth % 2 === 1 ? 'SS' : 'US', bytes(2)),
    element(0x00281203, 'OW', bytes(10)),
    element(0x00400440, 'SQ', Buffer.alloc(0)),
    element(0x00700022, 'FL', bytes(8)),
    element(0x00720074, 'FD', bytes(16)),
    ...(depth === 0 ? [element(0x7fe00010, 'OW', bytes(5000))] : []),
  ].map((one) => (one.kind === 'value' && one.vr === 'SQ' ? sequence(one.tag, 'SQ') : one));
}

/** As a syntax writes it. */
function written(elements: readonly Element[], syntax: Syntax): Buffer {
  const bytes = encode(
    elements.map((one) => ordered(one, syntax)),
    syntax,
  );
  return syntax.uid === DEFLATED_UID ? evenly(deflateRawSync(bytes)) : bytes;
}

function ordered(one: Element, syntax: Syntax): Element {
  if (one.kind === 'items' && one.vr === 'SQ')
    return { ...one, items: one.items.map((item) => item.map((each) => ordered(each, syntax))) };
  if (one.kind !== 'value' || !syntax.bigEndian) return one;
  const size = WORDS[one.vr] ?? 1;
  const value = Buffer.concat(chunksOf(one.value, size).map((word) => Buffer.from(word).reverse()));
  return { ...one, value };
}

const evenly = (bytes: Buffer): Buffer =>
  bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);

async function recode(bytes: Buffer, from: Syntax, to: Syntax, piece = 65_536): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of recoded(streamOf(chunksOf(bytes, piece)), from.uid, to.uid)) parts.push(part);
  const out = Buffer.concat(parts);
  if (to.uid !== DEFLATED_UID) return out;
  expect(out.length % 2).to.equal(0);
  return inflateRawSync(out);
}

const plain = (syntax: Syntax): Syntax => (syntax.uid === DEFLATED_UID ? EXPLICIT : syntax);

describe('A data set in another native transfer syntax', () => {
  for (const from of ALL)
    for (const to of ALL.filter((one) => one !== from))
      it(`has every value that it had: ${from.uid} to ${to.uid}`, async () => {
        const want = written(model(0), plain(to));
        for (const piece of [1, 7, 4096, 65_536]) {
          const got = await recode(written(model(0), from), from, to, piece);
          expect(got.equals(want), `pieces of ${piece} bytes`).to.equal(true);
        }
      });

  it('keeps what nobody knows as it is, in UN, and does not take it for a sequence', async () => {
    const unknown = encode([element(0x00091001, 'LO', 'x')], IMPLICIT);
    const like = element(
      0x00091002,
      'UN',
      Buffer.concat([Buffer.from([0xfe, 0xff, 0, 0xe0, 2, 0, 0, 0]), unknown]),
    );
    const nested = sequence(0x00091003, 'UN', [element(0x00280010, 'US', Buffer.from([1, 2]))]);
    const elements = [like, nested, element(0x00280010, 'US', Buffer.from([1, 2]))];
    expect(await recode(written(elements, EXPLICIT), EXPLICIT, BIG_ENDIAN)).to.deep.equal(
      written(elements, BIG_ENDIAN),
    );
    expect(await recode(written([like], IMPLICIT), IMPLICIT, EXPLICIT)).to.deep.equal(
      written([like], EXPLICIT),
    );
  });

  it('has no group length, which would be wrong, and UN for text that is too long for its VR', async () => {
    const long = 'x'.repeat(70_000);
    const elements = [element(0x00080000, 'UL', Buffer.from([4, 0, 0, 0])), element(0x00081030, 'LO', long)];
    expect(await recode(written(elements, IMPLICIT), IMPLICIT, EXPLICIT)).to.deep.equal(
      encode([element(0x00081030, 'UN', long)], EXPLICIT),
    );
  });

  it('is none when it breaks off, or has fragments or half a word', async () => {
    const whole = written(model(0), EXPLICIT);
    const half = encode([element(0x00280106, 'UL', Buffer.from([1, 2]))], EXPLICIT);
    const fragments = encode(
      [{ kind: 'fragments', tag: 0x7fe00010, fragments: [Buffer.alloc(4)] }],
      EXPLICIT,
    );
    for (const bytes of [whole.subarray(0, -4), half, fragments])
      await rejection(recode(bytes, EXPLICIT, BIG_ENDIAN), DataSetHeadError);
  });

  it('is not to be had of a compressed one', () => {
    expect(otherSyntaxes('1.2.840.10008.1.2.4.70')).to.deep.equal([]);
    expect(otherSyntaxes(IMPLICIT.uid)).to.deep.equal([EXPLICIT.uid, BIG_ENDIAN.uid, DEFLATED_UID]);
  });
});

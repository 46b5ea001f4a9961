import { expect } from 'chai';
import fc from 'fast-check';
import { encode, lo, SYNTAXES, tag, type Element, type Syntax } from './elements.js';

const VRS = ['LO', 'UI', 'OB', 'UN', 'UT', 'US', 'SH'];

const even = (bytes: Uint8Array): Buffer => Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2)));

const value = (tagOf: number): fc.Arbitrary<Element> =>
  fc
    .tuple(fc.constantFrom(...VRS), fc.uint8Array({ maxLength: 24 }))
    .map(([vr, bytes]) => ({ kind: 'value', tag: tagOf, vr, value: even(bytes) }));

const inner: fc.Arbitrary<number> = fc.constantFrom(
  0x00080005,
  0x00081150,
  0x000d0010,
  0x000d1001,
  0x7fe00010,
);

const items = (tagOf: number, depth: number): fc.Arbitrary<Element> =>
  fc
    .record({
      vr: fc.constantFrom('SQ' as const, 'UN' as const),
      undefinedLength: fc.boolean(),
      undefinedItems: fc.boolean(),
      items: fc.array(
        fc.array(
          inner.chain((each) => anyElement(each, depth - 1)),
          { maxLength: 3 },
        ),
        {
          maxLength: 3,
        },
      ),
    })
    .map((fields) => ({ kind: 'items', tag: tagOf, ...fields }));

function anyElement(tagOf: number, depth: number): fc.Arbitrary<Element> {
  return depth === 0
    ? value(tagOf)
    : fc.oneof({ arbitrary: value(tagOf), weight: 3 }, { arbitrary: items(tagOf, depth), weight: 1 });
}

const creator = (tagOf: number): fc.Arbitrary<Element> =>
  fc.constantFrom('ACME', 'UCLH PIXL', 'UCLH PIXL\0', '', 'other').map((text) => lo(tagOf, text));

const PIXELS = 0x7fe00010;
const CREATORS = [0x000d0010, 0x000d0011, 0x000d0012, 0x000d00ff];
const TAGS = [
  ...[0x00080016, 0x00080060, 0x00081115, 0x00090010, 0x00091001, 0x000b0010, 0x000d0000, 0x000d0001],
  ...[0x000d1000, 0x000d1001, 0x000d1002, 0x000d1101, 0x000d1102, 0x000d1201, 0x000dff01, 0x000dff02],
  ...[0x000f0010, 0x00100010, PIXELS],
];

const dataSets: fc.Arbitrary<Element[]> = fc
  .subarray([...CREATORS, ...TAGS])
  .chain((tags) =>
    fc.tuple(
      ...[...tags]
        .sort((one, other) => one - other)
        .map((each) => (CREATORS.includes(each) ? creator(each) : anyElement(each, each === PIXELS ? 0 : 3))),
    ),
  );

const isCreator = (each: Element): boolean => each.tag >= 0x000d0010 && each.tag <= 0x000d00ff;

const isOurs = (each: Element): boolean =>
  each.kind === 'value' && each.value.toString('latin1').replace(/[\0 ]+$/, '') === 'UCLH PIXL';

/** The same on the model: takes out, puts in, sorts. */
function naive(elements: readonly Element[], project: string): Element[] {
  const creators = elements.filter(isCreator);
  const ours = creators.find(isOurs);
  let block = 0x10;
  if (ours !== undefined) block = ours.tag & 0xff;
  else while (creators.some((each) => (each.tag & 0xff) === block)) block += 1;
  const tagOf = 0x000d0001 + block * 0x100;
  return [
    ...elements.filter((each) => each.tag !== 0x000d0000 && each.tag !== tagOf),
    ...(ours === undefined ? [lo(0x000d0000 + block, 'UCLH PIXL')] : []),
    lo(tagOf, project),
  ].sort((one, other) => one.tag - other.tag);
}

/** Cuts the bytes into pieces of these sizes, over and over. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const syntaxes = fc.constantFrom<Syntax[]>(...SYNTAXES);
const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(3_000)), {
  minLength: 1,
  maxLength: 5,
});

describe('Any data set', () => {
  it('gets the element that the same edit of its model gives', async () => {
    await fc.assert(
      fc.asyncProperty(dataSets, syntaxes, sizes, async (elements, syntax, pieceSizes) => {
        const bytes = encode(elements, syntax);
        const out = await tag(cut(bytes, pieceSizes), syntax.uid, 'my project');
        expect(out.toString('hex')).to.equal(encode(naive(elements, 'my project'), syntax).toString('hex'));
      }),
      { numRuns: 400 },
    );
  });

  it('is the same tagged twice as tagged once', async () => {
    await fc.assert(
      fc.asyncProperty(dataSets, syntaxes, async (elements, syntax) => {
        const once = await tag([encode(elements, syntax)], syntax.uid);
        expect((await tag([once], syntax.uid)).equals(once)).to.equal(true);
      }),
      { numRuns: 100 },
    );
  });
});

import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { deidentify } from '../../src/deidentify/deidentification.js';
import { InstanceExcludedError } from '../../src/deidentify/errors.js';
import type { Rectangle } from '../../src/deidentify/head.js';
import { basicProfile } from '../../src/deidentify/ps3.15/basic-profile.js';
import type { ScrubRules } from '../../src/deidentify/scrub/scrub-plan.js';
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
} from '../dimse/data-set/elements.js';
import { found, made, pseudonyms, sequence, ultrasoundRegion } from './made.js';

/** How frames are kept, and where text stands in them. */
interface Kind {
  readonly what: string;
  readonly rows: number;
  readonly columns: number;
  readonly samples: number;
  readonly bytes: 1 | 2;
  readonly planar: 0 | 1;
  readonly photometric: string;
  readonly frames: number;
  readonly syntax?: Syntax;
  readonly vr?: 'OB' | 'OW';
}

const KINDS: readonly Kind[] = [
  { what: '8 bit', rows: 37, columns: 50, samples: 1, bytes: 1, planar: 0, photometric: 'MONOCHROME2', frames: 1 },
  { what: '8 bit, odd in length', rows: 7, columns: 9, samples: 1, bytes: 1, planar: 0, photometric: 'MONOCHROME2', frames: 3 },
  { what: '16 bit', rows: 20, columns: 31, samples: 1, bytes: 2, planar: 0, photometric: 'MONOCHROME2', frames: 1 },
  { what: '16 bit, multi-frame', rows: 20, columns: 31, samples: 1, bytes: 2, planar: 0, photometric: 'MONOCHROME1', frames: 5 },
  { what: 'RGB, samples together', rows: 19, columns: 23, samples: 3, bytes: 1, planar: 0, photometric: 'RGB', frames: 1 },
  { what: 'RGB, in planes, multi-frame', rows: 19, columns: 23, samples: 3, bytes: 1, planar: 1, photometric: 'RGB', frames: 4 },
  { what: 'RGB of 16 bit, in planes', rows: 19, columns: 23, samples: 3, bytes: 2, planar: 1, photometric: 'RGB', frames: 2 },
  { what: 'YBR, samples together, multi-frame', rows: 19, columns: 23, samples: 3, bytes: 1, planar: 0, photometric: 'YBR_FULL', frames: 3 },
  { what: 'YBR, in planes', rows: 19, columns: 23, samples: 3, bytes: 1, planar: 1, photometric: 'YBR_FULL', frames: 1 },
  { what: 'palette', rows: 10, columns: 12, samples: 1, bytes: 1, planar: 0, photometric: 'PALETTE COLOR', frames: 2 },
  { what: 'implicit VR', rows: 19, columns: 23, samples: 3, bytes: 1, planar: 0, photometric: 'RGB', frames: 2, syntax: IMPLICIT },
  { what: 'big endian, 16 bit', rows: 20, columns: 31, samples: 1, bytes: 2, planar: 0, photometric: 'MONOCHROME2', frames: 2, syntax: BIG_ENDIAN, vr: 'OW' },
  { what: 'big endian, 8 bit in words', rows: 7, columns: 9, samples: 1, bytes: 1, planar: 0, photometric: 'MONOCHROME2', frames: 3, syntax: BIG_ENDIAN, vr: 'OW' },
  { what: 'big endian, YBR in words', rows: 7, columns: 9, samples: 3, bytes: 1, planar: 0, photometric: 'YBR_FULL', frames: 3, syntax: BIG_ENDIAN, vr: 'OW' },
  { what: 'big endian, 8 bit in bytes', rows: 7, columns: 9, samples: 1, bytes: 1, planar: 0, photometric: 'MONOCHROME2', frames: 3, syntax: BIG_ENDIAN, vr: 'OB' },
]; // prettier-ignore

const ULTRASOUND = '1.2.840.10008.5.1.4.1.1.6.1';
const MULTI_FRAME_ULTRASOUND = '1.2.840.10008.5.1.4.1.1.3.1';
const inside = (row: number, column: number, { left, top, right, bottom }: Rectangle): boolean =>
  row >= top && row < bottom && column >= left && column < right;

/** Noise without zeros, so that what was blanked can be told from what was not. */
function pixelsOf({ rows, columns, samples, bytes, frames }: Kind): Buffer {
  const length = rows * columns * samples * bytes * frames;
  return Buffer.from(Array.from({ length: length + (length % 2) }, (_, index) => 1 + ((index * 31) % 127)));
}

/** What ought to come out, pixel by pixel, worked out from the standard's layout. */
function expectedPixels(kind: Kind, isBlank: (row: number, column: number) => boolean): Buffer {
  const { rows, columns, samples, bytes, planar, photometric, frames, syntax } = kind;
  const pixels = pixelsOf(kind);
  const isSwapped = syntax === BIG_ENDIAN && bytes === 1 && kind.vr === 'OW';
  const frameLength = rows * columns * samples;
  for (let frame = 0; frame < frames; frame += 1)
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1)
        for (let sample = 0; sample < samples; sample += 1) {
          if (!isBlank(row, column)) continue;
          const pixel = row * columns + column;
          const inFrame = planar === 1 ? sample * rows * columns + pixel : pixel * samples + sample;
          const at = (frame * frameLength + inFrame) * bytes;
          const isColour = sample > 0 && photometric === 'YBR_FULL';
          pixels.fill(0, at, bytes === 2 ? at + 2 : at);
          pixels[isSwapped ? at ^ 1 : at] = isColour ? 0x80 : 0;
        }
  return pixels;
}

function instanceOf(kind: Kind, sopClass: string, more: readonly Element[] = []): Element[] {
  const { rows, columns, samples, bytes, planar, photometric, frames, syntax = EXPLICIT } = kind;
  const short = (tag: number, value: number): Element => {
    const number = Buffer.from([value, 0]);
    return element(tag, 'US', syntax.bigEndian ? number.swap16() : number);
  };
  return made([
    element(0x00080016, 'UI', sopClass),
    element(0x00080070, 'LO', 'ACME Medical'),
    element(0x00081090, 'LO', 'Scanner 3'),
    short(0x00280002, samples),
    element(0x00280004, 'CS', photometric),
    short(0x00280006, planar),
    element(0x00280008, 'IS', String(frames)),
    short(0x00280010, rows),
    short(0x00280011, columns),
    short(0x00280100, bytes * 8),
    element(0x7fe00010, kind.vr ?? (bytes === 1 ? 'OB' : 'OW'), pixelsOf(kind)),
    ...more,
  ]);
}

async function scrubbed(
  bytes: Buffer,
  transferSyntax: string,
  scrub: ScrubRules | undefined,
  pieceLength: number,
): Promise<Buffer> {
  const profile = basicProfile();
  const { dataSet } = await deidentify(streamOf(chunksOf(bytes, pieceLength)), transferSyntax, {
    profileFor: () => profile,
    pseudonymOf: (identity) => pseudonyms.of(identity),
    ...(scrub === undefined ? {} : { rulesFor: () => ({ scrub }) }),
  });
  const parts: Buffer[] = [];
  for await (const part of dataSet) parts.push(part);
  return Buffer.concat(parts);
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const pixelsIn = (out: Buffer, uid: string): Buffer => found(out, uid, 0x7fe00010, 0)!.value!;
const regionsOf = (syntax: Syntax, ...corners: [number, number, number, number][]): Element => {
  const items = corners.map((each) => ultrasoundRegion(...each));
  if (syntax.bigEndian) for (const one of items.flat()) if (one.kind === 'value') one.value.swap32();
  return sequence(0x00186011, items);
};

const rule = (rows: number, columns: number, ...rectangles: Rectangle[]): ScrubRules => ({
  outsideRegions: false,
  rectangles: [{ manufacturer: /^acme/i, model: /scanner/i, rows, columns, rectangles }],
});

async function ruleOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => null,
    (failure: unknown) => failure,
  );
  expect(error).to.be.instanceOf(InstanceExcludedError);
  return (error as InstanceExcludedError).rule;
}

describe('Frames that show more than the image', () => {
  for (const kind of KINDS)
    it(`are blanked outside of the ultrasound regions, and nowhere else: ${kind.what}`, async () => {
      const { syntax = EXPLICIT } = kind;
      // Two regions that overlap, the second one reaching over the edge.
      const kept: Rectangle[] = [{ left: 2, top: 1, right: 5, bottom: 4 }, { left: 4, top: 3, right: 400, bottom: 6 }]; // prettier-ignore
      const regions = regionsOf(syntax, [2, 1, 4, 3], [4, 3, 399, 5]);
      const input = encode(instanceOf(kind, ULTRASOUND, [regions]), syntax);
      const want = expectedPixels(kind, (row, column) => !kept.some((each) => inside(row, column, each)));
      for (const pieceLength of [1, 7, 64, input.length]) {
        const out = await scrubbed(input, syntax.uid, undefined, pieceLength);
        expect(sha(pixelsIn(out, syntax.uid)), `pieces of ${pieceLength}`).to.equal(sha(want));
      }
    });

  for (const kind of KINDS)
    it(`are blanked in the rectangles of a rule, and nowhere else: ${kind.what}`, async () => {
      const { syntax = EXPLICIT, rows, columns } = kind;
      const rectangles = [{ left: 0, top: 0, right: 3, bottom: 2 }, { left: 5, top: 5, right: 7, bottom: 600 }]; // prettier-ignore
      const input = encode(instanceOf(kind, '1.2.840.10008.5.1.4.1.1.2'), syntax);
      const out = await scrubbed(input, syntax.uid, rule(rows, columns, ...rectangles), 13);
      const want = expectedPixels(kind, (row, column) => rectangles.some((each) => inside(row, column, each)));
      expect(pixelsIn(out, syntax.uid).equals(want)).to.equal(true);
      for (const other of [rule(rows + 1, columns, ...rectangles), rule(rows, columns + 1, ...rectangles)])
        expect(pixelsIn(await scrubbed(input, syntax.uid, other, 4096), syntax.uid).equals(pixelsOf(kind))).to.equal(true);
    }); // prettier-ignore

  const kind = KINDS[5]!;
  const region: [number, number, number, number] = [2, 1, 4, 3];

  it('are blanked in a deflated data set', async () => {
    const bytes = encode(instanceOf(kind, MULTI_FRAME_ULTRASOUND, [regionsOf(EXPLICIT, region)]), EXPLICIT);
    const out = inflateRawSync(await scrubbed(deflateRawSync(bytes), DEFLATED_UID, undefined, 100));
    expect(out.equals(await scrubbed(bytes, EXPLICIT.uid, undefined, 100))).to.equal(true);
  });

  it('are passed as they are when the device says that nothing is burned in', async () => {
    const more = [regionsOf(EXPLICIT, region), element(0x00280301, 'CS', 'NO')];
    const out = await scrubbed(
      encode(instanceOf(kind, ULTRASOUND, more), EXPLICIT),
      EXPLICIT.uid,
      undefined,
      99,
    );
    expect(pixelsIn(out, EXPLICIT.uid).equals(pixelsOf(kind))).to.equal(true);
  });

  it("are left out when they are compressed, in fragments, or not as long as they should be", async () => {
    const instance = instanceOf(kind, ULTRASOUND, [regionsOf(EXPLICIT, region)]);
    const jpeg = scrubbed(encode(instance, EXPLICIT), '1.2.840.10008.1.2.4.50', undefined, 99);
    expect(await ruleOf(jpeg)).to.equal('scrub-of-compressed-frames');
    const changes: readonly Element[] = [
      { kind: 'fragments', tag: 0x7fe00010, fragments: [Buffer.alloc(0), Buffer.alloc(64)] },
      element(0x7fe00010, 'OB', Buffer.alloc(64)),
      element(0x00280008, 'IS', '400'),
      element(0x00280004, 'CS', 'YBR_FULL_422'),
      element(0x00280100, 'US', Buffer.from([1, 0])),
      element(0x00280010, 'US', Buffer.alloc(2)),
    ];
    for (const change of changes) {
      const other = [...instance.filter(({ tag }) => tag !== change.tag), change].sort((a, b) => a.tag - b.tag);
      expect(await ruleOf(scrubbed(encode(other, EXPLICIT), EXPLICIT.uid, undefined, 99)), change.tag.toString(16)).to.equal('scrub-of-unknown-frames');
    }
  }); // prettier-ignore

  it('by a recipe are those of any object that does not say that it is clean', async () => {
    const recipe: ScrubRules = { outsideRegions: true, rectangles: [] };
    const CT = '1.2.840.10008.5.1.4.1.1.2';
    const input = (more: Element[]): Buffer => encode(instanceOf(kind, CT, more), EXPLICIT);
    expect(await ruleOf(scrubbed(input([]), EXPLICIT.uid, recipe, 99))).to.equal(
      'ultrasound-without-regions',
    );
    const clean = await scrubbed(input([element(0x00280301, 'CS', 'NO')]), EXPLICIT.uid, recipe, 99);
    expect(pixelsIn(clean, EXPLICIT.uid).equals(pixelsOf(kind))).to.equal(true);
    const blanked = await scrubbed(input([regionsOf(EXPLICIT, region)]), EXPLICIT.uid, recipe, 99);
    expect(pixelsIn(blanked, EXPLICIT.uid).equals(pixelsOf(kind))).to.equal(false);
  });

  it('lose their small pictures, which show the same', async () => {
    const icon = sequence(0x00189346, [[element(0x7fe00010, 'OW', Buffer.from('a small picture!'))]]);
    const input = encode(instanceOf(kind, ULTRASOUND, [icon, regionsOf(EXPLICIT, region)]), EXPLICIT);
    expect((await scrubbed(input, EXPLICIT.uid, undefined, 99)).includes('a small picture!')).to.equal(false);
  });

  it('are passed in pieces, whatever their number', async () => {
    const large = { ...kind, rows: 200, columns: 250, frames: 4, planar: 0 } as const;
    const bytes = encode(instanceOf(large, ULTRASOUND, [regionsOf(EXPLICIT, region)]), EXPLICIT);
    const { dataSet } = await deidentify(streamOf(chunksOf(bytes, 65_536)), EXPLICIT.uid, {
      profileFor: () => basicProfile(),
      pseudonymOf: (identity) => pseudonyms.of(identity),
    });
    for await (const piece of dataSet) expect(piece.length).to.be.at.most(2 * 65_536);
  });
});

describe('Patient Identity Removed (0012,0062)', () => {
  const SECONDARY = '1.2.840.10008.5.1.4.1.1.7';
  const rows: readonly (readonly [what: string, sopClass: string, more: Element[], value: string])[] = [
    ['YES for an image of a scanner', '1.2.840.10008.5.1.4.1.1.2', [], 'YES'],
    ['NO for a screen that nobody looked at', SECONDARY, [], 'NO'],
    [
      'YES for a screen that says that nothing is burned in',
      SECONDARY,
      [element(0x00280301, 'CS', 'NO')],
      'YES',
    ],
    ['NO for a photograph', '1.2.840.10008.5.1.4.1.1.77.1.4', [], 'NO'],
  ];
  for (const [what, sopClass, more, value] of rows)
    it(`is ${what}`, async () => {
      const kind = KINDS[0]!;
      const profile = basicProfile();
      const { dataSet } = await deidentify(
        streamOf([encode(instanceOf(kind, sopClass, more), EXPLICIT)]),
        EXPLICIT.uid,
        {
          profileFor: () => profile,
          pseudonymOf: (identity) => pseudonyms.of(identity),
          rulesFor: () => ({ allowedSopClasses: new Set([SECONDARY]) }),
        },
      );
      const parts: Buffer[] = [];
      for await (const part of dataSet) parts.push(part);
      const mark = found(Buffer.concat(parts), EXPLICIT.uid, 0x00120062, 0);
      expect(mark!.value!.toString('latin1').trim()).to.equal(value);
    });
});

import { expect } from 'chai';
import { deflateRawSync } from 'node:zlib';
import {
  DataSetDeflateError,
  DataSetHeadError,
  inspected,
  type DataSetInspector,
  type TextValue,
} from '../../../src/dimse/index.js';
import { encodeDataSet, TRANSFER_SYNTAXES, type Element } from '../../support/dicom-files.js';
import { rejection } from '../../support/scripted-scp.js';

const { explicit: EXPLICIT, implicit: IMPLICIT, deflated: DEFLATED } = TRANSFER_SYNTAXES;

const text = (tag: number, vr: string, value: string | Buffer): Element => ({ tag, vr, value });
const sequence = (tag: number, undefinedLength: boolean, ...items: (readonly Element[])[]): Element => ({
  tag,
  vr: 'SQ',
  value: { items, undefinedLength },
});
const PIXELS = (length: number): Element => text(0x7fe00010, 'OW', Buffer.alloc(length, 0x5a));

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Looked {
  readonly texts: readonly TextValue[];
  /** How many texts were known when the head had ended. */
  readonly inHead: number;
  readonly passed: Buffer;
  /** How many bytes had been read when the first came out. */
  readonly readBeforeFirst: number;
}

async function look(
  bytes: Buffer,
  syntax: string,
  size = 1024,
  onText: (value: TextValue) => void = () => undefined,
): Promise<Looked> {
  const texts: TextValue[] = [];
  let [inHead, read, readBeforeFirst] = [-1, 0, -1];
  const inspector: DataSetInspector = {
    text: (value) => {
      texts.push(value);
      onText(value);
    },
    headEnded: () => (inHead = texts.length),
  };
  // eslint-disable-next-line @typescript-eslint/require-await
  const source = async function* (): AsyncGenerator<Buffer> {
    for (const piece of pieces(bytes, size)) {
      read += piece.length;
      yield piece;
    }
  };
  const passed: Buffer[] = [];
  for await (const piece of inspected(source(), syntax, inspector)) {
    if (readBeforeFirst < 0) readBeforeFirst = read;
    passed.push(piece);
  }
  return { texts, inHead, passed: Buffer.concat(passed), readBeforeFirst };
}

const found = ({ texts }: Looked, value: string): string[] =>
  texts
    .filter((one) => one.text.includes(value))
    .map(({ tag, depth }) => `${tag.toString(16).padStart(8, '0')}@${depth}`);

const DATA_SET: readonly Element[] = [
  text(0x00080005, 'CS', 'ISO_IR 192'),
  text(0x00080018, 'UI', '1.2.3.4'),
  text(0x00080050, 'SH', 'NEEDLE'),
  sequence(
    0x00081110,
    true,
    [text(0x00081150, 'UI', '1.2.3'), sequence(0x00081199, false, [text(0x00081155, 'UI', '9.8.7')])],
    [text(0x00080005, 'CS', 'ISO_IR 100'), text(0x0008103e, 'LO', Buffer.from('NEEDLE Größe', 'latin1'))],
  ),
  text(0x00100010, 'PN', Buffer.from('Größe^NEEDLE', 'utf8')),
  text(0x00110010, 'LO', 'VENDOR'),
  text(0x00111001, 'UN', Buffer.concat([Buffer.from([1, 2, 0]), Buffer.from('NEEDLE'), Buffer.from([9])])),
  text(0x00111002, 'OB', Buffer.from('N\0E\0E\0D\0L\0E\0', 'latin1')),
  text(0x00200010, 'SH', 'NEEDLE'),
  { tag: 0x00280010, vr: 'US', value: [16] },
  PIXELS(512),
];

describe('A data set behind an inspector', () => {
  const expected = ['00080050@0', '0008103e@1', '00100010@0', '00111001@0', '00111002@0', '00200010@0'];

  for (const [name, syntax] of [
    ['explicit', EXPLICIT],
    ['implicit', IMPLICIT],
  ] as const)
    it(`shows every text at every depth in ${name} VR, however it is cut, and passes as it came`, async () => {
      const bytes = encodeDataSet(DATA_SET, name);
      for (let size = 1; size <= 80; size += 1) {
        const looked = await look(bytes, syntax, size);
        expect(found(looked, 'NEEDLE'), `pieces of ${size}`).to.deep.equal(expected);
        expect(found(looked, '9.8.7')).to.include('00081155@2');
        expect(found(looked, 'Größe')).to.deep.equal(['0008103e@1', '00100010@0']);
        expect(looked.passed.equals(bytes)).to.equal(true);
        expect(looked.inHead).to.equal(looked.texts.length);
      }
    });

  it('shows what is deflated, and passes the deflated bytes', async () => {
    const plain = encodeDataSet(DATA_SET);
    for (const size of [1, 7, 64, 100_000]) {
      const bytes = deflateRawSync(plain);
      const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
      const looked = await look(even, DEFLATED, size);
      expect(found(looked, 'NEEDLE')).to.deep.equal(expected);
      expect(looked.passed.equals(even)).to.equal(true);
      const hidden = Buffer.concat([bytes, Buffer.from('NEEDLE')]);
      await rejection(look(hidden, DEFLATED, size), DataSetDeflateError);
    }
  });

  it('shows what is in a sequence that is written as UN', async () => {
    const inner = encodeDataSet([text(0x00100020, 'LO', 'NEEDLE')], 'implicit');
    const item = Buffer.concat([Buffer.from([0xfe, 0xff, 0x00, 0xe0]), Buffer.alloc(4), inner]);
    item.writeUInt32LE(inner.length, 4);
    const looked = await look(encodeDataSet([text(0x00111001, 'UN', item)]), EXPLICIT);
    expect(found(looked, 'NEEDLE')).to.include('00100020@1').and.to.include('00111001@0');
    // What only begins like one is bytes.
    const looksLike = Buffer.concat([item.subarray(0, 8), Buffer.from('no item, but NEEDLE')]);
    expect(
      found(await look(encodeDataSet([text(0x00111001, 'UN', looksLike)]), EXPLICIT), 'NEEDLE'),
    ).to.deep.equal(['00111001@0']);
  });

  it('gives nothing out before all of a small data set has been shown, what is behind its pixels too', async () => {
    const bytes = encodeDataSet([...DATA_SET, text(0x7fe10010, 'LO', 'NEEDLE')]);
    const looked = await look(bytes, EXPLICIT, 100);
    expect(found(looked, 'NEEDLE').at(-1)).to.equal('7fe10010@0');
    expect(looked.readBeforeFirst).to.equal(bytes.length);
    const refused = new RangeError('refused');
    let passed = 0;
    const failing = async (): Promise<void> => {
      const source = async function* (): AsyncGenerator<Buffer> {
        yield* pieces(bytes, 100);
        await Promise.resolve();
      };
      const inspector = {
        text: ({ tag }: TextValue): void => {
          if (tag === 0x7fe10010) throw refused;
        },
        headEnded: () => undefined,
      };
      for await (const piece of inspected(source(), EXPLICIT, inspector)) passed += piece.length;
    };
    expect(await rejection(failing(), RangeError)).to.equal(refused);
    expect(passed).to.equal(0);
  });

  it('gives a large one out as it comes, and what is behind its pixels when it has been shown', async () => {
    const before = encodeDataSet([text(0x00080018, 'UI', '1.2.3.4'), PIXELS(20_000_000)]);
    const tail = encodeDataSet([text(0x7fe10010, 'LO', 'NEEDLE'), text(0x7fe10011, 'LO', 'x'.repeat(5_000))]);
    const bytes = Buffer.concat([before, tail]);
    let passedAtTail = -1;
    let passed = 0;
    const source = async function* (): AsyncGenerator<Buffer> {
      yield* pieces(bytes, 65_536);
      await Promise.resolve();
    };
    const inspector = {
      text: ({ tag }: TextValue): void => {
        if (tag === 0x7fe10010) passedAtTail = passed;
      },
      headEnded: () => undefined,
    };
    for await (const piece of inspected(source(), EXPLICIT, inspector)) passed += piece.length;
    expect(passed).to.equal(bytes.length);
    expect(passedAtTail).to.be.within(8_000_000, before.length);
  });

  it('is refused when it is none, ends within an element, or has a head that is too long', async () => {
    const whole = encodeDataSet(DATA_SET);
    for (const bytes of [
      Buffer.from('this is no data set at all'),
      whole.subarray(0, whole.length - 2),
      whole.subarray(0, 30),
      encodeDataSet([text(0x00420011, 'OB', Buffer.alloc(9_000_000)), PIXELS(10)]),
      encodeDataSet([
        ...Array.from({ length: 5 }, (_, index) => text(0x00420011 + index, 'OB', Buffer.alloc(8_000_000))),
        PIXELS(10),
      ]),
    ])
      await rejection(look(bytes, EXPLICIT, 65_536), DataSetHeadError);
  });
});

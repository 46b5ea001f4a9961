import { expect } from 'chai';
import fc from 'fast-check';
import { PduError } from '../../../src/dimse/upper-layer/decode.js';
import { encodePdu, pDataHeader } from '../../../src/dimse/upper-layer/encode.js';
import type { Pdu } from '../../../src/dimse/upper-layer/pdu.js';
import { PduReader, type ReadEvent } from '../../../src/dimse/upper-layer/reader.js';
import { shortPdus } from '../../support/arbitrary-pdus.js';
import { heldMemory } from '../../support/held-memory.js';
import {
  chunksOf,
  coalesced,
  cutAt,
  hexBytes,
  pdusIn,
  readEvents,
  readingOf,
} from '../../support/upper-layer-bytes.js';
import { ASSOCIATE_AC, ASSOCIATE_RQ, P_DATA_TF } from '../../support/upper-layer-fixtures.js';

const MAXIMUM_LENGTH = 16384;
const KB = 1024;
const MB = 1024 * KB;

/** Where the PDUs of a short life of an association begin and end. */
const CONVERSATION: readonly Pdu[] = [
  ASSOCIATE_RQ.pdu,
  ASSOCIATE_AC.pdu,
  P_DATA_TF.pdu,
  { type: 'P-DATA-TF', pdvs: [P_DATA_TF.pdu.pdvs[1]!] },
  { type: 'A-RELEASE-RQ' },
  { type: 'A-RELEASE-RP' },
  { type: 'A-ABORT', source: 'service-user', reason: 'not significant' },
];
const WIRES = CONVERSATION.map((pdu) => encodePdu(pdu));
const WIRE = Buffer.concat(WIRES);

const EXPECTED: readonly ReadEvent[] = CONVERSATION.flatMap((pdu): ReadEvent[] =>
  pdu.type === 'P-DATA-TF'
    ? [
        { kind: 'p-data' },
        ...pdu.pdvs.map((pdv) => ({ kind: 'pdv' as const, ...pdv, begins: true, ends: true })),
      ]
    : [{ kind: 'pdu', pdu }],
);

function faultOf(wire: Buffer, size = wire.length): ReturnType<typeof readingOf>['fault'] {
  return readingOf(new PduReader(MAXIMUM_LENGTH), chunksOf(wire, size)).fault;
}

describe('the reader of PDUs', () => {
  it('decodes the same PDUs whatever the socket read size', () => {
    for (let size = 1; size <= WIRE.length; size += 1)
      expect(
        coalesced(readEvents(new PduReader(MAXIMUM_LENGTH), chunksOf(WIRE, size))),
        `reads of ${size} bytes`,
      ).to.deep.equal(EXPECTED);
  });

  it('decodes the same PDUs wherever the bytes are cut in two', () => {
    for (let cut = 0; cut <= WIRE.length; cut += 1)
      expect(
        coalesced(readEvents(new PduReader(MAXIMUM_LENGTH), [WIRE.subarray(0, cut), WIRE.subarray(cut)])),
        `cut at ${cut}`,
      ).to.deep.equal(EXPECTED);
  });

  it('decodes any PDUs the same wherever and how often the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(shortPdus, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat({ max: 3000 }), { maxLength: 40, size: 'max' }),
        (pdus, cuts) => {
          const wire = Buffer.concat(pdus.map((pdu) => encodePdu(pdu)));
          expect(pdusIn(wire)).to.deep.equal(pdus);
          const whole = coalesced(readEvents(new PduReader(0xffffffff), [wire]));
          const cut = coalesced(readEvents(new PduReader(0xffffffff), cutAt(wire, cuts)));
          expect(cut).to.deep.equal(whole);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('copies a PDU that comes byte by byte a few times, not once for each byte', () => {
    const reader = new PduReader(MAXIMUM_LENGTH);
    const header = Buffer.from([1, 0, 0, 4, 0, 0]);
    const before = process.memoryUsage().arrayBuffers;
    const events = readEvents(reader, [header, ...chunksOf(Buffer.alloc(200_000, 1), 1)]);
    expect(events).to.deep.equal([]);
    // Each copy of what has come so far is 100 kB on average: anew for each byte they were gigabytes.
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(100 * MB);
  });

  it('finds several PDVs in one PDU, each with its context and its message control header', () => {
    const flags = [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const;
    const pdvs = flags.map(([isCommand, isLast], index) => ({
      presentationContextId: 255 - 2 * index,
      isCommand,
      isLast,
      data: Buffer.alloc(index, index),
    }));
    expect(pdusIn(encodePdu({ type: 'P-DATA-TF', pdvs }))).to.deep.equal([{ type: 'P-DATA-TF', pdvs }]);
  });

  it('does not test the reserved bits of the message control header', () => {
    const wire = hexBytes(`
      04 00 00 00 00 0e   # P-DATA-TF, length 14
      00 00 00 03         # PDV length 3
      01 fe 00            # context 1, data set, last, all reserved bits set; one byte
      00 00 00 03         # PDV length 3
      01 fd 00            # context 1, command, not last, all reserved bits set; one byte
    `);
    const pdv = { presentationContextId: 1, data: Buffer.of(0) };
    expect(pdusIn(wire)).to.deep.equal([
      {
        type: 'P-DATA-TF',
        pdvs: [
          { ...pdv, isCommand: false, isLast: true },
          { ...pdv, isCommand: true, isLast: false },
        ],
      },
    ]);
  });

  it('announces a P-DATA-TF PDU without any PDV and goes on with the next PDU', () => {
    const wire = Buffer.concat([hexBytes('04 00 00 00 00 00'), encodePdu({ type: 'A-RELEASE-RQ' })]);
    for (let size = 1; size <= wire.length; size += 1)
      expect(readEvents(new PduReader(MAXIMUM_LENGTH), chunksOf(wire, size))).to.deep.equal([
        { kind: 'p-data' },
        { kind: 'pdu', pdu: { type: 'A-RELEASE-RQ' } },
      ]);
  });

  it('announces the PDU at its 6th byte and the PDV, without data, at its 12th', () => {
    const wire = encodePdu({ type: 'P-DATA-TF', pdvs: [P_DATA_TF.pdu.pdvs[1]!] });
    const reader = new PduReader(MAXIMUM_LENGTH);
    const eventsByByte = chunksOf(wire, 1).map((byte) => readEvents(reader, [byte]));
    expect(eventsByByte.map((events) => events.length)).to.deep.equal([
      ...[0, 0, 0, 0, 0, 1],
      ...[0, 0, 0, 0, 0, 1],
      ...[1, 1, 1, 1, 1],
    ]);
    expect(eventsByByte[5]).to.deep.equal([{ kind: 'p-data' }]);
    const pdv = { kind: 'pdv', presentationContextId: 3, isCommand: false, isLast: false };
    expect(eventsByByte[11]).to.deep.equal([{ ...pdv, begins: true, ends: false, data: Buffer.alloc(0) }]);
    expect(eventsByByte[12]).to.deep.equal([{ ...pdv, begins: false, ends: false, data: Buffer.of(8) }]);
    expect(eventsByByte[16]).to.deep.equal([{ ...pdv, begins: false, ends: true, data: Buffer.of(0x43) }]);
  });

  it('begins and ends an empty PDV in one piece', () => {
    const wire = hexBytes('04 00 00 00 00 06   00 00 00 02 07 02');
    expect(readEvents(new PduReader(MAXIMUM_LENGTH), [wire])).to.deep.equal([
      { kind: 'p-data' },
      {
        kind: 'pdv',
        presentationContextId: 7,
        isCommand: false,
        isLast: true,
        begins: true,
        ends: true,
        data: Buffer.alloc(0),
      },
    ]);
  });

  it('hands on views of the chunk, not copies', () => {
    for (let size = 1; size <= WIRE.length; size += 1) {
      const reader = new PduReader(MAXIMUM_LENGTH);
      let passed = 0;
      for (const part of chunksOf(WIRE, size)) {
        const chunk = Buffer.alloc(part.length); // of its own ArrayBuffer, not of Node's pool
        part.copy(chunk);
        for (const event of reader.push(chunk)) {
          if (event.kind !== 'pdv' || event.data.length === 0) continue;
          expect(event.data.buffer, `reads of ${size} bytes`).to.equal(chunk.buffer);
          passed += event.data.length;
        }
      }
      expect(passed).to.equal(4 + 5 + 5);
    }
  });

  it('reads no further than it is asked to: a PDU comes before the fault that follows it', () => {
    const events = new PduReader(MAXIMUM_LENGTH).push(
      Buffer.concat([encodePdu({ type: 'A-RELEASE-RQ' }), hexBytes('ff 00 00 00 00 00')]),
    );
    expect(events.next().value).to.deep.equal({ kind: 'pdu', pdu: { type: 'A-RELEASE-RQ' } });
    expect(() => events.next()).to.throw(PduError, '255');
  });

  it('knows whether the stream may end: only between two PDUs', () => {
    const ends = new Set<number>([0]);
    let end = 0;
    for (const wire of WIRES) ends.add((end += wire.length));
    for (let cut = 0; cut <= WIRE.length; cut += 1) {
      const reader = new PduReader(MAXIMUM_LENGTH);
      readEvents(reader, [WIRE.subarray(0, cut)]);
      expect(reader.betweenPdus, `after ${cut} bytes`).to.equal(ends.has(cut));
    }
  });
});

describe('the reader of PDUs, on its limits', () => {
  it('takes a P-DATA-TF of exactly the maximum length, and none that is a byte longer', () => {
    const data = Buffer.alloc(MAXIMUM_LENGTH - 6);
    const pdv = { presentationContextId: 1, isCommand: false, isLast: true };
    expect(pdusIn(encodePdu({ type: 'P-DATA-TF', pdvs: [{ ...pdv, data }] }), MAXIMUM_LENGTH)).to.deep.equal([
      { type: 'P-DATA-TF', pdvs: [{ ...pdv, data }] },
    ]);
    expect(faultOf(pDataHeader(pdv, MAXIMUM_LENGTH - 5))).to.deep.include({
      abortReason: 'invalid PDU parameter value',
    });
  });

  it('takes a P-DATA-TF of any length when we set no limit, which is 0 (PS3.8 D.1)', () => {
    const pdv = { presentationContextId: 1, isCommand: false, isLast: true, data: Buffer.alloc(100 * KB) };
    expect(pdusIn(encodePdu({ type: 'P-DATA-TF', pdvs: [pdv] }), 0)).to.deep.equal([
      { type: 'P-DATA-TF', pdvs: [pdv] },
    ]);
  });

  it('takes an A-ASSOCIATE of 256 KiB, and none that is a byte longer', () => {
    const body = Buffer.alloc(256 * KB);
    encodePdu({ ...ASSOCIATE_RQ.pdu, presentationContexts: [] }).copy(body, 0, 6, 6 + 68);
    for (let at = 68; at < body.length;) {
      const length = Math.min(0xffff, body.length - at - 4);
      body.writeUInt8(0x99, at); // an item of unknown type
      body.writeUInt16BE(length, at + 2);
      at += 4 + length;
    }
    for (const size of [65536, 1000, 262150])
      expect(faultOf(Buffer.concat([hexBytes('01 00 00 04 00 00'), body]), size)).to.equal(null);
    for (const header of ['01 00 00 04 00 01', '02 00 00 04 00 01'])
      expect(faultOf(hexBytes(header))).to.deep.include({ abortReason: 'invalid PDU parameter value' });
  });

  it('refuses every PDU type that does not exist, at the 6th byte', () => {
    for (let code = 0; code <= 255; code += 1) {
      if (code >= 1 && code <= 7) continue;
      const header = Buffer.of(code, 0, 0, 0, 0, 4);
      expect(faultOf(header.subarray(0, 5)), `PDU type ${code}`).to.equal(null);
      expect(faultOf(header), `PDU type ${code}`).to.deep.include({ abortReason: 'unrecognized PDU' });
    }
  });

  /** Each is refused at its last byte, not before and not later. */
  const FAULTS: readonly (readonly [string, string])[] = [
    ['an A-ASSOCIATE-RQ of 4 GiB', '01 00 ff ff ff ff'],
    ['an A-ASSOCIATE-AC of 4 GiB', '02 00 ff ff ff ff'],
    ['an A-ASSOCIATE-RJ of 4 GiB', '03 00 ff ff ff ff'],
    ['a P-DATA-TF of 4 GiB', '04 00 ff ff ff ff'],
    ['an A-RELEASE-RQ of 4 GiB', '05 00 ff ff ff ff'],
    ['an A-RELEASE-RP of 4 GiB', '06 00 ff ff ff ff'],
    ['an A-ABORT of 4 GiB', '07 00 ff ff ff ff'],
    ['an A-ASSOCIATE-RQ without room for its fixed fields', '01 00 00 00 00 43'],
    ['an A-ASSOCIATE-AC without room for its fixed fields', '02 00 00 00 00 43'],
    ['an empty A-ASSOCIATE-RQ', '01 00 00 00 00 00'],
    ['an A-ASSOCIATE-RJ of 3 bytes', '03 00 00 00 00 03'],
    ['an A-ASSOCIATE-RJ of 5 bytes', '03 00 00 00 00 05'],
    ['an A-RELEASE-RQ of 3 bytes', '05 00 00 00 00 03'],
    ['an empty A-RELEASE-RQ', '05 00 00 00 00 00'],
    ['an A-RELEASE-RP of 5 bytes', '06 00 00 00 00 05'],
    ['an empty A-ABORT', '07 00 00 00 00 00'],
    ['an A-ABORT of 8 bytes', '07 00 00 00 00 08'],
    ['a P-DATA-TF with room for a byte, not for a PDV', '04 00 00 00 00 01'],
    ['a P-DATA-TF with room for 5 bytes, not for a PDV', '04 00 00 00 00 05'],
    ['a PDV length of 0', '04 00 00 00 00 08  00 00 00 00 01 00'],
    ['a PDV length of 1', '04 00 00 00 00 08  00 00 00 01 01 00'],
    ['a PDV a byte longer than its PDU', '04 00 00 00 00 08  00 00 00 05 01 00'],
    ['a PDV of 4 GiB', '04 00 00 00 00 08  ff ff ff ff 01 00'],
    ['a PDV of data in a PDU without room for any', '04 00 00 00 00 06  00 00 00 03 01 00'],
    [
      'a second PDV longer than what the first leaves',
      '04 00 00 00 00 0f  00 00 00 03 01 00 61  00 00 00 05 01 00',
    ],
    ['bytes left over after the last PDV', '04 00 00 00 00 08  00 00 00 03 01 00 61'],
    ['bytes left over after an empty PDV', '04 00 00 00 00 0b  00 00 00 02 01 00'],
    ['a decodable length around bytes that are not', `01 00 00 00 00 44 ${'00'.repeat(68)}`],
  ];
  for (const [fault, hex] of FAULTS)
    it(`refuses ${fault}, as soon as it can be known and whatever the read size`, () => {
      const wire = hexBytes(hex);
      expect(faultOf(wire.subarray(0, -1)), 'a byte before').to.equal(null);
      const atOnce = faultOf(wire);
      expect(atOnce).to.deep.include({ abortReason: 'invalid PDU parameter value' });
      for (let size = 1; size < wire.length; size += 1)
        expect(faultOf(wire, size), `reads of ${size} bytes`).to.deep.equal(atOnce);
      expect(faultOf(Buffer.concat([WIRE, wire])), 'after good PDUs').to.deep.equal(atOnce);
    });

  it('counts the length of a PDV within its PDU only, not from the PDU before', () => {
    const good = hexBytes('04 00 00 00 00 08  00 00 00 04 01 00 61 62');
    const long = hexBytes('04 00 00 00 00 08  00 00 00 05 01 00');
    expect(faultOf(Buffer.concat([good, good]))).to.equal(null);
    expect(faultOf(Buffer.concat([good, long]))).to.not.equal(null);
  });
});

describe('the reader of PDUs, on memory', () => {
  it('allocates nothing for what a header announces, be it refused or taken', () => {
    const headers = [
      ...[1, 2, 3, 4, 5, 6, 7].map((code) => Buffer.of(code, 0, 0xff, 0xff, 0xff, 0xff)),
      Buffer.of(1, 0, 0, 4, 0, 0),
      pDataHeader({ presentationContextId: 1, isCommand: false, isLast: true }, 0xffffffff - 6),
    ];
    const before = heldMemory().arrayBuffers;
    const readers = headers.flatMap((header) =>
      [MAXIMUM_LENGTH, 0xffffffff].map((limit) => {
        const reader = new PduReader(limit);
        readingOf(reader, chunksOf(header, 4));
        return reader;
      }),
    );
    expect(heldMemory().arrayBuffers - before).to.be.below(64 * KB);
    expect(readers).to.have.lengthOf(18);
  });

  it('keeps of an A-ASSOCIATE no more than came so far', () => {
    const before = heldMemory().arrayBuffers;
    const reader = new PduReader(MAXIMUM_LENGTH);
    expect(readEvents(reader, [hexBytes('01 00 00 04 00 00'), Buffer.alloc(1000)])).to.deep.equal([]);
    // What is small is cut out of a piece for many, which is larger since Node 24.
    expect(heldMemory().arrayBuffers - before).to.be.below(Math.max(32 * KB, Buffer.poolSize + 8 * KB));
    expect(reader.betweenPdus).to.equal(false);
  });

  it('lets go of an A-ASSOCIATE once it is handed on', () => {
    const transferSyntaxes = Array.from({ length: 30 }, (_, n) => `1.2.840.10008.1.2.4.${n}`);
    const wire = encodePdu({
      ...ASSOCIATE_RQ.pdu,
      presentationContexts: Array.from({ length: 128 }, (_, n) => ({
        id: 2 * n + 1,
        abstractSyntax: `1.2.840.10008.5.1.4.1.1.${n}`,
        transferSyntaxes,
      })),
    });
    expect(wire.length).to.be.above(100_000);
    const before = heldMemory().arrayBuffers;
    const readers = Array.from({ length: 20 }, () => {
      const reader = new PduReader(MAXIMUM_LENGTH);
      const events = chunksOf(wire, 50_000).flatMap((chunk) => [...reader.push(chunk)]);
      expect(events).to.have.lengthOf(1);
      return reader;
    });
    expect(heldMemory().arrayBuffers - before).to.be.below(100 * KB);
    expect(readers.every(({ betweenPdus }) => betweenPdus)).to.equal(true);
  });

  /** 64 MiB of a data set in reads of 64 KiB, each in a new buffer as a socket gives it. */
  function passDataSet(pduLength: number): void {
    const total = 64 * MB;
    const pdv = { presentationContextId: 1, isCommand: false, isLast: false };
    const header = pDataHeader(pdv, pduLength - 6);
    const pdu = Buffer.alloc(6 + pduLength, 0x5a);
    header.copy(pdu);
    const reader = new PduReader(pduLength);
    const before = heldMemory();
    let passed = 0;
    let most = 0;
    let offset = 0;
    for (let read = 0; read * 64 * KB < total; read += 1) {
      const chunk = Buffer.allocUnsafe(64 * KB);
      for (let at = 0; at < chunk.length;) {
        const copied = pdu.copy(chunk, at, offset);
        at += copied;
        offset = (offset + copied) % pdu.length;
      }
      for (const event of reader.push(chunk)) if (event.kind === 'pdv') passed += event.data.length;
      if (read % 128 !== 127) continue;
      const now = heldMemory();
      most = Math.max(most, now.heap - before.heap + now.arrayBuffers - before.arrayBuffers);
    }
    expect(most).to.be.below(4 * MB);
    expect(passed).to.be.within(total * 0.99, total);
  }

  it('passes 64 MiB of PDUs of 16 KiB and holds less than 4 MiB', () => passDataSet(16 * KB));

  it('passes 64 MiB of one PDU and holds less than 4 MiB', () => passDataSet(64 * MB));
});

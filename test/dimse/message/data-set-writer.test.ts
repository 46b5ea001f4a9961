import { expect } from 'chai';
import fc from 'fast-check';
import { DataSetWriter } from '../../../src/dimse/message/data-set-writer.js';
import { decodePData, type RawPdv } from '../../support/wire.js';

/** Writes pieces, and gives what went to the socket: one buffer for each write. */
async function written(pieces: readonly Buffer[], maxDataLength: number): Promise<Buffer[]> {
  const writes: Buffer[] = [];
  const writer = new DataSetWriter(3, maxDataLength, (parts) => {
    writes.push(Buffer.concat(parts));
    return Promise.resolve();
  });
  for (const piece of pieces) await writer.write(piece);
  await writer.end();
  return writes;
}

/** The variable fields of P-DATA-TF PDUs. */
function pduBodies(wire: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  for (let at = 0; at < wire.length;) {
    const end = at + 6 + wire.readUInt32BE(at + 2);
    bodies.push(wire.subarray(at + 6, end));
    at = end;
  }
  return bodies;
}

describe('a data set on its way out', () => {
  const piecesOf = (lengths: readonly number[]): Buffer[] =>
    lengths.map((length, index) => Buffer.alloc(length, `piece ${index} `));

  it('is whole behind any lengths of pieces, in PDUs that the peer takes, the last one said to be', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(100), fc.nat(40_000), fc.nat(300_000)), { maxLength: 12 }),
        fc.constantFrom(250, 16_378, 65_530, 131_066),
        async (lengths, maxDataLength) => {
          const pieces = piecesOf(lengths);
          const bodies = pduBodies(Buffer.concat(await written(pieces, maxDataLength)));
          const pdvs = bodies.flatMap((body): RawPdv[] => decodePData(body));
          expect(Math.max(...bodies.map(({ length }) => length))).to.be.at.most(maxDataLength + 6);
          expect(Buffer.concat(pdvs.map(({ bytes }) => bytes)).equals(Buffer.concat(pieces))).to.equal(true);
          expect(pdvs.map(({ isLast }) => isLast)).to.deep.equal(pdvs.map((_, at) => at === pdvs.length - 1));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('goes out in few writes, though its pieces and the PDUs that the peer takes are small', async () => {
    const writes = await written(piecesOf(Array.from({ length: 64 }, () => 8_192)), 16_378);
    expect(writes.length).to.be.at.most(9);
  });

  it('is not held back for more than 64 KiB and a PDU', async () => {
    const writes: Buffer[] = [];
    const writer = new DataSetWriter(3, 16_378, (parts) => {
      writes.push(Buffer.concat(parts));
      return Promise.resolve();
    });
    for (const piece of piecesOf(Array.from({ length: 9 }, () => 8_192))) await writer.write(piece);
    expect(Buffer.concat(writes).length).to.be.above(32_768);
    await writer.end();
  });

  it('tells that a piece is sent when the last of its bytes is taken, and not before', async () => {
    const takes: (() => void)[] = [];
    const sent: Buffer[] = [];
    const send = (_: readonly Buffer[], taken: () => void): Promise<void> => {
      takes.push(taken);
      return Promise.resolve();
    };
    const writer = new DataSetWriter(3, 65_530, send, (piece) => sent.push(piece));
    const [one, two, three] = piecesOf([65_530, 100_000, 10]) as [Buffer, Buffer, Buffer];
    await writer.write(one);
    await writer.write(two); // all of the first, and the second but for what the last PDV may need
    await writer.write(three);
    await writer.end();
    expect(takes.length).to.equal(2);
    expect(sent).to.deep.equal([]);
    takes[0]!();
    expect(sent).to.deep.equal([one]);
    takes[1]!();
    expect(sent).to.deep.equal([one, two, three]);
  });
});

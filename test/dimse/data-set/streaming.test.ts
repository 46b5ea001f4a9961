import { expect } from 'chai';
import { MAX_HEAD_LENGTH } from '../../../src/dimse/data-set/element-walker.js';
import { passedOn } from '../../../src/dimse/data-set/passed-on.js';
import { DataSetHeadError } from '../../../src/dimse/errors.js';
import { heldMemory } from '../../support/held-memory.js';
import {
  BIG_ENDIAN,
  DEFLATED_UID,
  element,
  encode,
  EXPLICIT,
  header,
  IMPLICIT,
  lo,
  streamOf,
} from './elements.js';

const MEBIBYTE = 1 << 20;
const HEAD = encode([lo(0x00080060, 'MR'), lo(0x00100010, 'A^B ')], EXPLICIT);

/** A source that tells whether it was ended, and how much was taken from it. */
class Source implements AsyncIterable<Buffer> {
  ended = 0;
  taken = 0;
  readonly #pieces: Iterable<Buffer>;

  constructor(pieces: Iterable<Buffer>) {
    this.#pieces = pieces;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (const piece of this.#pieces) {
        this.taken += 1;
        await Promise.resolve();
        yield piece;
      }
    } finally {
      this.ended += 1;
    }
  }
}

function* endless(first: Buffer, length: number): Generator<Buffer> {
  yield first;
  for (;;) yield Buffer.alloc(length);
}

async function failureOf(source: AsyncIterable<Buffer>): Promise<unknown> {
  try {
    for await (const part of passedOn(source, EXPLICIT.uid, 'proj')) expect.fail(`${part.length} bytes`);
  } catch (error) {
    return error;
  }
  return null;
}

describe('A data set that streams by', () => {
  it('is passed on uncopied, but for small pieces before the element', async () => {
    // Of its own memory, and not of the pool's, where copies would have the same ArrayBuffer.
    const first = Buffer.alloc(HEAD.length + 4_096);
    HEAD.copy(first);
    const rest = [Buffer.alloc(5), Buffer.alloc(65_536)];
    const parts: Buffer[] = [];
    for await (const part of passedOn(streamOf([first, ...rest]), EXPLICIT.uid, 'proj')) parts.push(part);
    expect(parts.map((part) => part.buffer === first.buffer)).to.deep.equal([
      true,
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(parts.slice(4)).to.deep.equal(rest);
    expect(parts[4]).to.equal(rest[0]);
    expect(parts[5]).to.equal(rest[1]);
  });

  it('of 200 MB takes little memory', async function () {
    const count = 200 * 16;
    function* pieces(): Generator<Buffer> {
      yield Buffer.concat([HEAD, header(0x7fe00010, 'OW', count * 65_536, EXPLICIT)]);
      for (let index = 0; index < count; index += 1) yield Buffer.alloc(65_536, index);
    }
    // What is held: what the pieces leave behind is V8's to collect when it will.
    const before = heldMemory().arrayBuffers;
    let most = 0;
    let parts = 0;
    let length = 0;
    for await (const part of passedOn(new Source(pieces()), EXPLICIT.uid, 'proj')) {
      length += part.length;
      parts += 1;
      if (parts % 320 === 0) most = Math.max(most, heldMemory().arrayBuffers - before);
    }
    expect(length).to.be.greaterThan(200 * MEBIBYTE);
    expect(parts).to.be.greaterThan(3_000);
    expect(most / MEBIBYTE).to.be.lessThan(8);
  });

  it('is read only as far as the consumer asks', async () => {
    const source = new Source(endless(HEAD, 65_536));
    const out = passedOn(source, EXPLICIT.uid, 'proj');
    // What is before the element, its creator, itself, the rest of the first piece, the second piece.
    for (let step = 0; step < 5; step += 1) await out.next();
    expect(source.taken).to.equal(2);
    await out.return();
  });

  it('ends its source once when the consumer stops, at whatever piece', async () => {
    for (const uid of [EXPLICIT.uid, DEFLATED_UID])
      for (let stopAfter = 1; stopAfter <= 6; stopAfter += 1) {
        const source = new Source(
          uid === DEFLATED_UID ? endless(await deflatedHead(), 64) : endless(HEAD, 64),
        );
        const out = passedOn(source, uid, 'proj');
        if (uid === DEFLATED_UID) await out.next();
        else for (let step = 0; step < stopAfter; step += 1) await out.next();
        expect(source.ended).to.equal(0);
        await out.return();
        expect(source.ended, `${uid} after ${stopAfter}`).to.equal(1);
      }
  });

  it('ends its source once when its head is bad', async () => {
    const source = new Source(endless(header(0, 'UL', 0, EXPLICIT), 64));
    expect(await failureOf(source)).to.be.instanceOf(DataSetHeadError);
    expect(source.ended).to.equal(1);
    expect(source.taken).to.equal(1);
  });

  it('fails with the error of its source', async () => {
    const failure = new Error('broken');
    async function* broken(first: Buffer): AsyncGenerator<Buffer, void, undefined> {
      yield await Promise.resolve(first);
      throw failure;
    }
    expect(await failureOf(broken(HEAD.subarray(0, 3)))).to.equal(failure);
  });

  it('with an endless head goes by, and no more of it is held than the limit', async () => {
    const sequence = header(0x00081115, 'SQ', 0xffffffff, EXPLICIT);
    const item = Buffer.concat([header(0xfffee000, '', 65_528, EXPLICIT), Buffer.alloc(65_528)]);
    function* items(): Generator<Buffer> {
      yield sequence;
      for (;;) yield item;
    }
    const source = new Source(items());
    let given = 0;
    for await (const part of passedOn(source, EXPLICIT.uid, 'proj')) {
      given += part.length;
      if (given > 10 * MAX_HEAD_LENGTH) break;
    }
    expect(source.taken * 65_536 - given).to.be.lessThan(MAX_HEAD_LENGTH + 2 * 65_536);
    expect(source.ended).to.equal(1);
  });

  it('may drip in byte by byte before the element, in time and memory of the order of its length', async function () {
    const length = MEBIBYTE;
    const bytes = encode([element(0x000b1001, 'OB', Buffer.alloc(length)), lo(0x00100010, 'A')], EXPLICIT);
    function* drips(): Generator<Buffer> {
      for (let at = 0; at < bytes.length; at += 1) yield bytes.subarray(at, at + 1);
    }
    const parts: Buffer[] = [];
    for await (const part of passedOn(streamOf(drips()), EXPLICIT.uid, 'proj')) parts.push(part);
    expect(parts.length).to.be.lessThan(length / 16_384 + 20);
    expect(Buffer.concat(parts).length).to.equal(bytes.length + 18 + 12);
  });

  it('of several megabytes of reference sequences is walked in the pieces in which it comes', async () => {
    for (const syntax of [EXPLICIT, IMPLICIT, BIG_ENDIAN]) {
      const reference = [lo(0x00081150, '1.2.840.10008.5.1.4.1.1.4'), lo(0x00081155, '1.2.3.4.5.6')];
      const items = Array.from({ length: 50_000 }, () => reference);
      const bytes = encode(
        [
          { kind: 'items', tag: 0x00081140, vr: 'SQ', items, undefinedLength: true, undefinedItems: true },
          lo(0x00100010, 'A'),
        ],
        syntax,
      );
      const source = new Source(cut(bytes));
      const parts: Buffer[] = [];
      for await (const part of passedOn(source, syntax.uid, 'proj')) parts.push(part);
      expect(source.taken, syntax.uid).to.equal(Math.ceil(bytes.length / 65_536));
      expect(parts.length, syntax.uid).to.be.at.most(source.taken + 3); // the element, and what it parts;
      expect(Buffer.concat(parts).length, syntax.uid).to.be.greaterThan(bytes.length);
    }
  });
});

function* cut(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** Deflated incompressible bytes behind the head, so that the stream goes on for a while; its end never comes. */
async function deflatedHead(): Promise<Buffer> {
  const { deflateRawSync } = await import('node:zlib');
  const { randomBytes } = await import('node:crypto');
  const pixels = header(0x7fe00010, 'OW', MEBIBYTE, EXPLICIT);
  return deflateRawSync(Buffer.concat([HEAD, pixels, randomBytes(MEBIBYTE)]));
}

import { expect } from 'chai';
import { createHook } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { passedOn } from '../../../src/dimse/data-set/passed-on.js';
import { DataSetDeflateError, DataSetHeadError } from '../../../src/dimse/errors.js';
import { chunksOf, DEFLATED_UID, element, encode, EXPLICIT, header, lo, streamOf, tag } from './elements.js';

const MODALITY = element(0x00080060, 'CS', 'MR');
const OURS = [lo(0x000d0010, 'UCLH PIXL'), lo(0x000d1001, 'proj')];
const PIXELS = element(0x7fe00010, 'OB', randomBytes(300_000));
const BEFORE = encode([MODALITY, PIXELS], EXPLICIT);
const AFTER = encode([MODALITY, ...OURS, PIXELS], EXPLICIT);
const DEFLATED = deflateRawSync(BEFORE);

describe('A deflated data set', () => {
  it('has the element in what it inflates to, whatever the pieces', async () => {
    for (const size of [97, 1_000, 65_536, 1_000_000])
      expect(inflateRawSync(await tag(chunksOf(DEFLATED, size), DEFLATED_UID)).equals(AFTER)).to.equal(true);
  });

  it('is the same at every split, and of even length with a NULL at its end if need be', async () => {
    for (let extra = 0; extra < 6; extra += 1) {
      const elements = [MODALITY, lo(0x00100010, 'abcdefghij'.slice(0, extra))];
      const deflated = deflateRawSync(encode(elements, EXPLICIT));
      const wanted = encode([MODALITY, ...OURS, ...elements.slice(1)], EXPLICIT);
      for (let at = 0; at <= deflated.length; at += 1) {
        const out = await tag([deflated.subarray(0, at), deflated.subarray(at)], DEFLATED_UID);
        expect(inflateRawSync(out).equals(wanted)).to.equal(true);
        expect(out.length % 2).to.equal(0);
      }
    }
  });

  it('may have padding behind it, in the same piece or in others', async () => {
    const padding = Buffer.alloc(1);
    for (const pieces of [
      [Buffer.concat([DEFLATED, padding])],
      [DEFLATED, padding],
      [DEFLATED, padding, Buffer.alloc(100_000), padding],
    ])
      expect(inflateRawSync(await tag(pieces, DEFLATED_UID)).equals(AFTER)).to.equal(true);
  });

  it('may inflate to a thousand times its size, but not beyond 32 MiB of it', async () => {
    const blank = (mebibytes: number): Buffer =>
      deflateRawSync(encode([MODALITY, element(0x7fe00010, 'OB', Buffer.alloc(mebibytes << 20))], EXPLICIT));
    expect(inflateRawSync(await tag([blank(30)], DEFLATED_UID)).length).to.be.greaterThan(30 << 20);
    const error = await tag(chunksOf(blank(80), 4_096), DEFLATED_UID).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(DataSetDeflateError);
    expect(String(error)).to.contain('500 times its size');
  });

  it('is refused when its head is no deflated data set, or breaks off', async () => {
    const head = deflateRawSync(encode([MODALITY, lo(0x00080070, 'maker')], EXPLICIT));
    const bad = [
      Buffer.from('not deflated at all'),
      Buffer.alloc(0),
      head.subarray(0, 10),
      Buffer.alloc(64, 0xff),
    ];
    bad.push(deflateRawSync(BEFORE.subarray(0, 9)));
    for (const bytes of bad) {
      const error = await tag([bytes], DEFLATED_UID).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error, bytes.toString('hex')).to.be.instanceOf(DataSetHeadError);
    }
  });

  it('that breaks off or is damaged behind its head fails as such', async () => {
    const damaged = Buffer.concat([DEFLATED.subarray(0, 200_000), Buffer.alloc(100_000, 0xff)]);
    for (const bytes of [DEFLATED.subarray(0, -10), damaged]) {
      let length = 0;
      let thrown: unknown;
      try {
        for await (const part of passedOn(streamOf(chunksOf(bytes, 9_000)), DEFLATED_UID, 'proj'))
          length += part.length;
      } catch (error) {
        thrown = error;
      }
      expect(length).to.be.greaterThan(0);
      expect(thrown)
        .to.be.instanceOf(DataSetDeflateError)
        .and.include({ code: 'DATA_SET_DEFLATE', retry: 'never' });
    }
  });

  it('gives the memory of zlib back at once, also when the consumer stops or the data set is bad', async () => {
    let opened = 0;
    const closed = new Set<object>();
    // Each zlib stream has a native handle; only its close() gives its memory back before the garbage collector does.
    const hook = createHook({
      init: (_id, type, _trigger, handle: { close?: () => void }) => {
        if (type !== 'ZLIB') return;
        opened += 1;
        const close = handle.close?.bind(handle);
        handle.close = () => {
          closed.add(handle);
          close?.();
        };
      },
    }).enable();
    try {
      const out = passedOn(streamOf(chunksOf(DEFLATED, 9_000)), DEFLATED_UID, 'proj');
      await out.next();
      expect({ opened, closed: closed.size }).to.deep.equal({ opened: 2, closed: 0 });
      await out.return();
      expect({ opened, closed: closed.size }).to.deep.equal({ opened: 2, closed: 2 });
      await tag([DEFLATED], DEFLATED_UID);
      expect({ opened, closed: closed.size }).to.deep.equal({ opened: 4, closed: 4 });
      await tag([DEFLATED.subarray(0, 4)], DEFLATED_UID).catch(() => undefined);
      expect({ opened, closed: closed.size }).to.deep.equal({ opened: 6, closed: 6 });
    } finally {
      hook.disable();
    }
  });

  it('that inflates to three hundred times its size passes in bounded memory', async function () {
    const mebibyte = 1 << 20;
    // One block over and over: a stream of 150 MiB that needs no such memory to make.
    const block = (bytes: Buffer): Buffer => deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
    const head = Buffer.concat([
      encode([MODALITY], EXPLICIT),
      header(0x7fe00010, 'OB', 150 * mebibyte, EXPLICIT),
    ]);
    const zeroes = block(Buffer.concat([Buffer.alloc(mebibyte - 2_600), randomBytes(2_600)]));
    const bomb = Buffer.concat([
      block(head),
      ...Array.from({ length: 150 }, () => zeroes),
      deflateRawSync(''),
    ]);
    expect(bomb.length).to.be.lessThan(mebibyte);
    const before = process.memoryUsage().rss;
    let peak = 0;
    for await (const part of passedOn(streamOf([bomb]), DEFLATED_UID, 'proj')) {
      expect(part.length).to.be.greaterThan(0);
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    expect((peak - before) / (1024 * 1024)).to.be.lessThan(96);
  });
});

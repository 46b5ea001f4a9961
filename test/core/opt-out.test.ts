import { expect } from 'chai';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MrnHashes, OptOutFileError, OptOutList } from '../../src/core/opt-out.js';
import { rejection } from '../support/scripted-scp.js';
import { withTempDir } from '../support/temp-dir.js';

const SECRET = Buffer.alloc(32, 's');
const hashes = new MrnHashes(SECRET);

async function withList(
  text: string,
  work: (list: OptOutList, file: string) => Promise<void>,
  secret: Buffer | null = SECRET,
): Promise<void> {
  await withTempDir(async (folder) => {
    const file = join(folder, 'opt-outs.txt');
    writeFileSync(file, text);
    await work(new OptOutList(file, () => secret), file);
  }, 'opt-out');
}

describe('The list of those who opted out', () => {
  it('has MRNs and their keyed hashes, one a line, between comments, blank lines and any line ends', async () => {
    const text = `\ufeff# by hand\r\n\r\n 12345 \r\nabc 1 # since May\n${hashes.line('777')}\n00123`;
    await withList(text, async (list) => {
      const optedOut = await list.current();
      expect(optedOut.size).to.equal(4);
      for (const mrn of ['12345', '12345 ', 'ABC 1', '777', ' 777', '00123'])
        expect(optedOut.has(mrn), mrn).to.equal(true);
      for (const mrn of ['1234', '123', '', '# by hand', hashes.checkValue])
        expect(optedOut.has(mrn), mrn).to.equal(false);
    });
  });

  it('is read again when it is another one, also when only a letter of it is', async () => {
    await withList('111\n', async (list, file) => {
      const before = await list.current();
      expect(await list.current()).to.equal(before);
      writeFileSync(file, '222\n');
      const after = await list.current();
      expect(['111', '222'].map((mrn) => after.has(mrn))).to.deep.equal([false, true]);
    });
  });

  for (const [why, text, secret, problem] of [
    ['two MRNs stand on a line', '1\n2,3\n', SECRET, 'line 2 is no MRN'],
    ['it is no text', '\ufffd\ufffd', SECRET, 'line 1 is no MRN'],
    ['a line is longer than an MRN can be', 'x'.repeat(65), SECRET, 'line 1 is no MRN'],
    ['a hash is none', '\nhmac:12345', SECRET, 'line 2 is no hash'],
    ['a hash is by another key', new MrnHashes(Buffer.alloc(32, 'o')).line('1'), SECRET, 'another key'],
    ['hashes have no key', hashes.line('1'), null, 'PIXL_DEIDENTIFY_KEY_FILE is not set'],
    ['it is not there', null, SECRET, "can't be read (ENOENT)"],
  ] as const)
    it(`can't be used when ${why}, and says so without a value`, async () => {
      await withList(
        text ?? '',
        async (list, file) => {
          if (text === null) rmSync(file);
          const error = await rejection(list.current(), OptOutFileError);
          expect(error).to.include({ code: 'OPT_OUT_FILE', retry: 'later' });
          expect(error.message).to.contain(problem).and.not.contain('2,3');
        },
        secret,
      );
    });

  it('is not what it was before, once it can not be read any more', async () => {
    await withList('111\n', async (list, file) => {
      await list.current();
      rmSync(file);
      await rejection(list.current(), OptOutFileError);
    });
  });
});

describe('The hash of an MRN', () => {
  it('is the same however the MRN is spelt, and another one with another key', () => {
    expect(hashes.line(' abc1 '))
      .to.equal(hashes.line('ABC1'))
      .and.match(/^hmac:[0-9a-f]{8}:[0-9a-f]{64}$/);
    expect(new MrnHashes(Buffer.alloc(32, 'o')).line('ABC1')).not.to.equal(hashes.line('ABC1'));
  });
});

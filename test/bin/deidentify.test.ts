import { expect } from 'chai';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PATIENT, made } from '../deidentify/made.js';
import { element, encode, EXPLICIT } from '../dimse/data-set/elements.js';
import { encodeFileMeta } from '../../src/dimse/index.js';
import { runCli } from '../support/cli.js';
import { tempDir, type TempDir } from '../support/temp-dir.js';

function dicomFile(path: string, extra: Parameters<typeof made>[0] = []): void {
  const meta = encodeFileMeta({
    sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
    sopInstanceUid: PATIENT.instance,
    transferSyntax: EXPLICIT.uid,
  });
  writeFileSync(path, Buffer.concat([meta, encode(made(extra), EXPLICIT)]));
}

describe('pixl-imaging deidentify', () => {
  let folder: TempDir;
  let key: string;

  beforeEach(() => {
    folder = tempDir('deidentify');
    key = join(folder.path, 'key');
    writeFileSync(key, 'k'.repeat(32), { mode: 0o600 });
  });

  afterEach(() => folder.remove());

  const deidentify = (input: string, ...more: string[]): ReturnType<typeof runCli> =>
    runCli(['deidentify', input, join(folder.path, 'out'), '--key-file', key, '--json', ...more]);

  it('writes a file under its new UIDs, with nothing of the patient in it or in its name', async () => {
    const input = join(folder.path, 'one.dcm');
    dicomFile(input, [element(0x00081030, 'LO', `of ${PATIENT.family}`)]);
    const { code, stdout } = await deidentify(input, '--option', 'clean-descriptors');
    expect(code).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({
      written: 1,
      excluded: {},
      unreadable: 0,
      residuals: { '(0008,1030)': 1 },
    });
    const files = readdirSync(join(folder.path, 'out'), { recursive: true, encoding: 'utf8' });
    expect(files.filter((name) => name.endsWith('.dcm'))).to.have.length(1);
    for (const name of files) {
      const path = join(folder.path, 'out', name);
      const bytes = statSync(path).isFile() ? readFileSync(path, 'latin1') : '';
      for (const value of Object.values(PATIENT)) expect(name + bytes).not.to.include(value);
    }
  });

  it('leaves out what must not be passed on, and says which and why: exit 4', async () => {
    const input = join(folder.path, 'in');
    mkdirSync(input);
    dicomFile(join(input, 'good.dcm'));
    dicomFile(join(input, 'burned.dcm'), [element(0x00280301, 'CS', 'YES')]);
    writeFileSync(join(input, 'note.txt'), 'no image');
    const { code, stdout, stderr } = await deidentify(input);
    expect(code).to.equal(4);
    expect(JSON.parse(stdout)).to.deep.include({
      written: 1,
      excluded: { 'burned-in-annotation': 1 },
      unreadable: 1,
    });
    expect(stderr).to.include('burned.dcm: burned-in-annotation');
    const left = readdirSync(join(folder.path, 'out'), { recursive: true, encoding: 'utf8' });
    expect(left.filter((name) => name.endsWith('.dcm'))).to.have.length(1);
    expect(left.filter((name) => name.startsWith('.'))).to.deep.equal([]);
  });

  it('keeps the private elements that it is told are safe, and wants to be told: exit 2', async () => {
    const input = join(folder.path, 'one.dcm');
    dicomFile(input, [element(0x00190010, 'LO', 'ACME MR'), element(0x0019100c, 'IS', '1000')]);
    const safe = ['--option', 'retain-safe-private'];
    expect((await deidentify(input, ...safe)).stderr).to.include('list of safe private elements');
    expect((await deidentify(input, ...safe, '--safe-private', '0018,0C,ACME MR')).code).to.equal(2);
    const { code } = await deidentify(input, ...safe, '--safe-private', '0019,0C,ACME MR');
    expect(code).to.equal(0);
    const files = readdirSync(join(folder.path, 'out'), { recursive: true, encoding: 'utf8' });
    const file = files.find((name) => name.endsWith('.dcm'))!;
    expect(readFileSync(join(folder.path, 'out', file), 'latin1'))
      .to.include('ACME MR')
      .and.include('113111');
  });

  it('wants a key that is long enough and not for everybody to read: exit 2', async () => {
    const input = join(folder.path, 'one.dcm');
    dicomFile(input);
    chmodSync(key, 0o644);
    const open = await deidentify(input);
    expect(open.code).to.equal(2);
    expect(open.stderr).to.include('may be read by everybody');
    chmodSync(key, 0o600);
    writeFileSync(key, 'short');
    const short = await deidentify(input);
    expect(short.code).to.equal(2);
    expect(short.stderr).to.include('fewer than 32 bytes');
  });
});

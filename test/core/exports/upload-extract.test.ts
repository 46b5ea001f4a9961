import { expect } from 'chai';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ExportFilesError,
  ParquetExport,
  type RemotePath,
  type SafeHaven,
  type UploadProgress,
} from '../../../src/core/exports/index.js';
import { withTempDir } from '../../support/temp-dir.js';

/** Keeps what is put into it; the second file it takes on the second try only, half of it having gone by. */
class FakeHaven implements SafeHaven {
  readonly files = new Map<RemotePath, string>();

  async put(
    path: RemotePath,
    open: Parameters<SafeHaven['put']>[1],
    onBytes: (bytes: number) => void = () => undefined,
  ): Promise<number> {
    if (this.files.size === 1) {
      open().destroy();
      onBytes(2);
    }
    let text = '';
    for await (const bytes of open() as AsyncIterable<Buffer>) {
      text += bytes.toString();
      onBytes(bytes.length);
    }
    this.files.set(path, text);
    return text.length;
  }
}

async function withExport(
  files: Readonly<Record<string, string>>,
  work: (parquetExport: ParquetExport, haven: FakeHaven) => Promise<void>,
): Promise<void> {
  await withTempDir(async (folder) => {
    const parquetExport = new ParquetExport('Project', '2023-12-07T14:08:58', folder);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(parquetExport.folder, name, '..'), { recursive: true });
      writeFileSync(join(parquetExport.folder, name), text);
    }
    await work(parquetExport, new FakeHaven());
  }, 'upload');
}

describe('An extract that is sent', () => {
  const ROOT = 'project/2023-12-07t14-08-58/parquet';

  it('is its parquet files under the names that they have here; what else there is stays and is named', async () => {
    const files = {
      'omop/public/b c.parquet': 'bbbb',
      'omop/public/x.csv': 'x',
      'radiology/a.parquet': 'aa',
    };
    await withExport(files, async (parquetExport, haven) => {
      const result = await parquetExport.upload(haven);
      expect(Object.fromEntries(haven.files)).to.deep.equal({
        [`${ROOT}/omop/public/b c.parquet`]: 'bbbb',
        [`${ROOT}/radiology/a.parquet`]: 'aa',
      });
      expect(result).to.deep.equal({
        files: [
          { path: `${ROOT}/omop/public/b c.parquet`, bytes: 4 },
          { path: `${ROOT}/radiology/a.parquet`, bytes: 2 },
        ],
        bytes: 6,
        leftOut: ['omop/public/x.csv'],
      });
    });
  });

  it('tells how far it is, and does not count twice what had to be sent again', async () => {
    await withExport({ 'a.parquet': 'aaaa', 'b.parquet': 'bbbb' }, async (parquetExport, haven) => {
      const told: UploadProgress[] = [];
      await parquetExport.upload(haven, (progress) => told.push(progress));
      const of = { files: 2, bytes: 8 };
      expect(told).to.deep.equal([
        { ...of, filesDone: 0, bytesDone: 4 },
        { ...of, filesDone: 1, bytesDone: 4 },
        { ...of, filesDone: 1, bytesDone: 6 },
        { ...of, filesDone: 1, bytesDone: 8 },
        { ...of, filesDone: 2, bytesDone: 8 },
      ]);
    });
  });

  for (const [name, files] of [
    ['with a name that the safe haven cannot hold', { 'a.parquet': 'a', 'omop/~b.parquet': 'b' }],
    ['with a name of too many bytes', { 'a.parquet': 'a', [`${'ü'.repeat(110)}.parquet`]: 'b' }],
    ['without parquet', { 'omop/public/x.csv': 'x' }],
  ] as const)
    it(`is refused as a whole ${name}`, async () => {
      await withExport(files, async (parquetExport, haven) => {
        const error = await parquetExport.upload(haven).catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(ExportFilesError);
        expect(haven.files.size).to.equal(0);
      });
    });
});

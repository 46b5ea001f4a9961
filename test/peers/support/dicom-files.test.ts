import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compress,
  makeStudy,
  SOP_CLASSES,
  TRANSFER_SYNTAXES,
  writeInstance,
  type SopClassName,
  type TransferSyntaxName,
} from '../../support/dicom-files.js';
import { datasetDigest, pixelDataDigest, readDicomHead } from '../../support/dicom-read.js';
import { run } from '../../support/processes.js';
import { withTempDir } from '../../support/temp-dir.js';

const uids = { studyInstanceUid: '1.2.3', seriesInstanceUid: '1.2.3.1', sopInstanceUid: '1.2.3.1.1' };

describe('synthetic DICOM files', () => {
  it('are read by dcmdump without a complaint, whatever their SOP class', () =>
    withTempDir(async (folder) => {
      const classes = Object.keys(SOP_CLASSES) as SopClassName[];
      const study = await makeStudy(folder, {
        study: 1,
        accession: 'A1',
        series: classes.map((sopClass) => ({ sopClass, instances: 1 })),
      });
      for (const { file, sopClassUid } of study.instances) {
        const { stdout, stderr } = await run('dcmdump', ['-Un', '+P', '0008,0016', '+P', '0008,0050', file]);
        expect(stderr).to.equal('');
        expect(stdout).to.contain(`[${sopClassUid}]`).and.to.contain('[A1]');
      }
    }));

  it('are the same bytes each time they are made, and differ between instances', () =>
    withTempDir(async (folder) => {
      const once = await makeStudy(join(folder, 'once'), { study: 3, instances: 2 });
      const again = await makeStudy(join(folder, 'again'), { study: 3, instances: 2 });
      expect(readFileSync(once.files[0]!).equals(readFileSync(again.files[0]!))).to.equal(true);
      expect(await pixelDataDigest(once.files[0]!)).not.to.equal(await pixelDataDigest(once.files[1]!));
    }));

  for (const syntax of Object.keys(TRANSFER_SYNTAXES) as TransferSyntaxName[]) {
    it(`can be converted to ${syntax}, and back without loss`, () =>
      withTempDir(async (folder) => {
        const [file, out, back] = [join(folder, 'a.dcm'), join(folder, 'b.dcm'), join(folder, 'c.dcm')];
        await writeInstance(file, uids);
        await compress(file, out, syntax);
        const head = readDicomHead(out);
        expect(head.transferSyntax).to.equal(TRANSFER_SYNTAXES[syntax]);
        expect(head.text('00080018')).to.equal(uids.sopInstanceUid);
        if (syntax === 'jpeg2000') await run('gdcmconv', ['--raw', out, back]);
        else if (syntax === 'jpegLossless') await run('dcmdjpeg', [out, back]);
        else if (syntax === 'jpegLs') await run('dcmdjpls', [out, back]);
        else if (syntax === 'rle') await run('dcmdrle', [out, back]);
        else await run('dcmconv', ['+te', out, back]);
        expect(await pixelDataDigest(back)).to.equal(await pixelDataDigest(file));
      }));
  }
});

describe('the reader of DICOM files', () => {
  it('gives the same digests for a path and for its bytes', () =>
    withTempDir(async (folder) => {
      const file = join(folder, 'a.dcm');
      await writeInstance(file, uids);
      const bytes = readFileSync(file);
      expect(await datasetDigest(bytes)).to.equal(await datasetDigest(file));
      expect(await pixelDataDigest(bytes)).to.equal(await pixelDataDigest(file));
    }));

  it('leaves the groups out of the digest that it is told to', () =>
    withTempDir(async (folder) => {
      const [plain, tagged] = [join(folder, 'a.dcm'), join(folder, 'b.dcm')];
      await writeInstance(plain, uids);
      await writeInstance(tagged, { ...uids, extra: [{ tag: 0x000d0010, vr: 'LO', value: 'UCLH PIXL' }] });
      expect(await datasetDigest(tagged)).not.to.equal(await datasetDigest(plain));
      expect(await datasetDigest(tagged, ['000d'])).to.equal(await datasetDigest(plain, ['000d']));
    }));

  it('says that a file is cut off', () =>
    withTempDir(async (folder) => {
      const file = join(folder, 'a.dcm');
      await writeInstance(file, uids);
      const bytes = readFileSync(file);
      expect(() => readDicomHead(bytes.subarray(0, bytes.length - 1))).to.throw('beyond the end');
    }));
});

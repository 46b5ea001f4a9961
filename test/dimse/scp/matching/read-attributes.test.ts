import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { MAX_HEAD_LENGTH } from '../../../../src/dimse/data-set/element-walker.js';
import { DataSetHeadError } from '../../../../src/dimse/errors.js';
import { queryAttributesOf } from '../../../../src/dimse/scp/matching/index.js';
import { readInstance } from '../../../../src/dimse/scp/read-instance.js';
import { compress, makeStudy } from '../../../support/dicom-files.js';
import { tempDir, type TempDir } from '../../../support/temp-dir.js';
import {
  BIG_ENDIAN,
  chunksOf,
  DEFLATED_UID,
  element,
  encode,
  EXPLICIT,
  header,
  lo,
  streamOf,
  SYNTAXES,
  type Element,
} from '../../data-set/elements.js';

const us = (tag: number, value: number, bigEndian: boolean): Element => {
  const bytes = Buffer.alloc(2);
  if (bigEndian) bytes.writeUInt16BE(value);
  else bytes.writeUInt16LE(value);
  return element(tag, 'US', bytes);
};

const references = (undefinedLength: boolean): Element => ({
  kind: 'items',
  tag: 0x00081115,
  vr: 'SQ',
  items: [[lo(0x00100020, 'inner')], [lo(0x0020000d, '1.9')]],
  undefinedLength,
  undefinedItems: undefinedLength,
});

const dataSet = (bigEndian: boolean): Element[] => [
  element(0x00080005, 'CS', 'ISO_IR 192'),
  element(0x00080018, 'UI', '1.2.3.4\0'),
  element(0x00080060, 'CS', 'MR'),
  references(true),
  references(false),
  lo(0x00090010, 'ACME'),
  element(0x00091001, 'OB', Buffer.alloc(9)),
  element(0x00100010, 'PN', Buffer.from('Müller^J=山田', 'utf8')),
  element(0x00100020, 'LO', ' A1 '),
  element(0x00100021, 'LO', ''),
  us(0x00280010, 513, bigEndian),
];
const EXPECTED = {
  SOPInstanceUID: '1.2.3.4',
  Modality: 'MR',
  PatientName: 'Müller^J=山田',
  PatientID: 'A1',
  IssuerOfPatientID: '',
  Rows: '513',
};
const PIXELS = element(0x7fe00010, 'OW', Buffer.alloc(64, 0xff));

async function read(pieces: Iterable<Buffer>, syntax: string): Promise<Record<string, string>> {
  return Object.fromEntries(await queryAttributesOf(streamOf(pieces), syntax));
}

async function failure(pieces: Iterable<Buffer>, syntax: string): Promise<unknown> {
  try {
    await read(pieces, syntax);
  } catch (error) {
    return error;
  }
  return null;
}

describe('The attributes of a data set', () => {
  it('are read in every encoding, at every split of the bytes', async () => {
    for (const syntax of SYNTAXES) {
      const bytes = encode([...dataSet(syntax.bigEndian), PIXELS], syntax);
      for (let size = 1; size <= bytes.length; size += 7)
        expect(await read(chunksOf(bytes, size), syntax.uid), `${syntax.uid} by ${size}`).to.deep.equal(
          EXPECTED,
        );
    }
  });

  it('are read out of a deflated data set', async () => {
    const bytes = deflateRawSync(encode([...dataSet(false), PIXELS], EXPLICIT));
    for (const size of [1, 10, bytes.length])
      expect(await read(chunksOf(bytes, size), DEFLATED_UID)).to.deep.equal(EXPECTED);
  });

  it('are read as far as the pixel data, and the rest is not asked for', async () => {
    let asked = 0;
    async function* endless(): AsyncGenerator<Buffer, void, undefined> {
      await Promise.resolve();
      yield encode(dataSet(false), EXPLICIT);
      yield header(0x7fe00010, 'OW', 0xffffffff, EXPLICIT);
      for (;;) {
        asked += 1;
        if (asked > 3) throw new Error('asked for pixels');
        yield Buffer.alloc(65_536);
      }
    }
    expect(Object.fromEntries(await queryAttributesOf(endless(), EXPLICIT.uid))).to.deep.equal(EXPECTED);
    expect(asked).to.equal(0);
  });

  it('are read behind sequences and values longer than what may be held', async () => {
    const length = 3 * MAX_HEAD_LENGTH;
    const before = encode([element(0x00080060, 'CS', 'MR')], EXPLICIT);
    const after = encode([lo(0x00100020, 'A1')], EXPLICIT);
    function* filler(): Generator<Buffer> {
      for (let at = 0; at < length; at += 65_536) yield Buffer.alloc(65_536);
    }
    const long = [before, header(0x000b1001, 'OB', length, EXPLICIT), ...filler(), after];
    expect(await read(long, EXPLICIT.uid)).to.deep.equal({ Modality: 'MR', PatientID: 'A1' });

    const item = [header(0xfffee000, '', 0xffffffff, EXPLICIT), header(0x000b1001, 'OB', 65_536, EXPLICIT)];
    const end = header(0xfffee00d, '', 0, EXPLICIT);
    const items = Array.from(filler(), (bytes) => [...item, bytes, end]).flat();
    const open = header(0x00081115, 'SQ', 0xffffffff, EXPLICIT);
    const close = header(0xfffee0dd, '', 0, EXPLICIT);
    expect(await read([before, open, ...items, close, after], EXPLICIT.uid)).to.deep.equal({
      Modality: 'MR',
      PatientID: 'A1',
    });
  });

  it('are read behind 256 MB of something else in little memory', async function () {
    const before = process.memoryUsage().rss;
    let peak = 0;
    function* pieces(): Generator<Buffer> {
      yield header(0x000b1001, 'OB', 4096 * 65_536, EXPLICIT);
      for (let index = 0; index < 4096; index += 1) {
        peak = Math.max(peak, process.memoryUsage().rss);
        yield Buffer.alloc(65_536, index);
      }
      yield encode([lo(0x00100020, 'A1')], EXPLICIT);
    }
    expect(await read(pieces(), EXPLICIT.uid)).to.deep.equal({ PatientID: 'A1' });
    expect((peak - before) / 2 ** 20).to.be.lessThan(96);
  });

  it('are left out when they are longer than any of their VRs', async () => {
    const bytes = encode([lo(0x00100020, 'A1'), element(0x00104000, 'LT', 'x'.repeat(20_000))], EXPLICIT);
    expect(await read([bytes], EXPLICIT.uid)).to.deep.equal({ PatientID: 'A1' });
  });

  it('are refused when the data set ends inside of an element, a skipped one too', async () => {
    for (const syntax of SYNTAXES) {
      const bytes = encode([references(true), lo(0x00090010, 'ACME'), lo(0x00100020, 'A1')], syntax);
      const ends = [0, 1, 2, 3].map(
        (count) =>
          encode([references(true), lo(0x00090010, 'ACME'), lo(0x00100020, 'A1')].slice(0, count), syntax)
            .length,
      );
      for (let length = 0; length < bytes.length; length += 1) {
        const error = await failure([bytes.subarray(0, length)], syntax.uid);
        if (ends.includes(length)) expect(error).to.equal(null);
        else expect(error, `${syntax.uid}, ${length} bytes`).to.be.instanceOf(DataSetHeadError);
      }
    }
  });
});

describe('The attributes of a file', () => {
  let dir: TempDir;
  before(() => {
    dir = tempDir('attributes');
  });
  after(() => dir.remove());

  it('are the same in every transfer syntax that the file may have', async () => {
    const study = await makeStudy(dir.path, { study: 1, instances: 1, patientName: 'Müller' });
    const [file = ''] = study.files;
    const { attributes } = await readInstance(file);
    expect(Object.fromEntries(attributes)).to.include({
      PatientID: study.mrn,
      PatientName: 'Müller',
      StudyInstanceUID: study.studyInstanceUid,
      Rows: '64',
      InstanceNumber: '1',
    });
    for (const [name, uid] of [
      ['implicit', SYNTAXES[1]!.uid],
      ['bigEndian', BIG_ENDIAN.uid],
      ['deflated', DEFLATED_UID],
    ] as const) {
      const other = join(dir.path, `${name}.dcm`);
      await compress(file, other, name);
      const read = await readInstance(other);
      expect(read.transferSyntaxUid).to.equal(uid);
      expect(Object.fromEntries(read.attributes), name).to.deep.equal(Object.fromEntries(attributes));
    }
  });

  it('are refused when it is no DICOM file', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(500), Buffer.from('x'.repeat(140))]) {
      const file = join(dir.path, 'none.dcm');
      writeFileSync(file, bytes);
      const error: unknown = await readInstance(file).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(DataSetHeadError);
    }
  });
});
